/**
 * The store of artifacts and of logs beside the broker, their data endpoint, and the relay to workers (E35): a process of its own, so that no
 * transfer, and no hash of one, takes a moment of the broker's loop. It ends with the broker.
 */

import { setPriority } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import {
  ArtifactOwners,
  ArtifactStore,
  DataServer,
  DirectMemory,
  fetchFrom,
  storeBudget,
  storeInto,
  systemAlarms,
  systemClock,
  watchAge,
} from '@gryphgen/runtime';
import type { BeginArtifacts, FromArtifacts, ToArtifacts } from './artifact-messages.ts';
import { KeptLogs } from './kept-logs.ts';

const countersMs = 2000;
/**
 * Each frame's bytes lie beside the heap, which is small. Counted as its growth, they had all of it marked every 14 MiB that came: more
 * work than their hashing. Most are dead when the young generation, which is small here, is collected, as cheap as nothing; until
 * then the heap may look four times as large, V8's own most.
 */
const heapGrowth = '--heap-growing-percent=300';

/** As the fold's: tasks come first where transfers take all of the CPU. Inherited by the threads that are begun from here on. */
const niceness = 10;

const answers = new Map<number, (held: ReadonlySet<string>) => void>();
let nextAsk = 1;
let server: DataServer | undefined;
let revoked: readonly string[] = [];

function say(message: FromArtifacts): void {
  process.send?.(message);
}

function askHeld(artifacts: readonly string[]): Promise<ReadonlySet<string>> {
  const id = nextAsk++;
  return new Promise((resolve) => {
    answers.set(id, resolve);
    say({ kind: 'asksHeld', id, artifacts });
  });
}

if (process.platform === 'linux') setPriority(0, niceness);

async function begin(order: BeginArtifacts): Promise<void> {
  const {
    folder,
    endpoints,
    budgetBytes,
    artifactsAgeMs,
    logs: bounds,
    wallMs,
    brokerKey,
    ...others
  } = order;
  const { mostStored, ...rest } = others;
  const offset = wallMs - systemClock.mono();
  const store = await ArtifactStore.open({
    folder,
    budgetBytes: await storeBudget(folder, budgetBytes),
    clock: systemClock,
    held: askHeld,
    direct: new DirectMemory(),
  });
  const owners = await ArtifactOwners.open({
    ...{ folder, store, held: askHeld },
    mostBytes: (owner) => {
      const named = mostStored.named[owner];
      return (named === undefined ? mostStored.everybody : named) ?? undefined;
    },
  });
  // Until the end of this process.
  if (artifactsAgeMs !== undefined) watchAge(store, artifactsAgeMs, systemAlarms);
  const logs = await KeptLogs.open({
    ...bounds,
    folder: join(folder, 'logs'),
    clock: systemClock,
    alarms: systemAlarms,
  });
  server = new DataServer({
    ...rest,
    brokerKey: () => brokerKey,
    endpoints,
    worker: '',
    brokerWall: () => offset + systemClock.mono(),
    clock: systemClock,
    alarms: systemAlarms,
    open: (range) => logs.read(range),
    fetch: fetchFrom(store),
    store: storeInto(store, owners),
    keep: async (worker, signal) => logs.take(worker, signal),
    onRelayed: (workers) => say({ kind: 'relayed', workers }),
  });
  server.revoke(revoked);
  say({ kind: 'ready', endpoints: await server.start() });
  tellCounters(server, store, owners, logs);
}

function tellCounters(
  { counters, relay }: DataServer,
  store: ArtifactStore,
  owners: ArtifactOwners,
  logs: KeptLogs,
): void {
  const { refused, malformed, silent, overrun, slow } = counters;
  const { usedBytes, collected } = store;
  const told = {
    ...store.counters,
    ...logs.counters,
    ...relay?.counters,
    ...relay?.open,
    collected,
    usedBytes,
    refused,
    malformed,
    silent,
    overrun,
    slow,
  };
  say({ kind: 'counters', counters: told, stored: owners.stored });
  systemAlarms.after(countersMs, () => server && tellCounters(server, store, owners, logs));
}

async function end(): Promise<void> {
  const ending = server;
  server = undefined;
  await ending?.stop();
  process.exit(0);
}

setFlagsFromString(heapGrowth);
process.on('message', (message: ToArtifacts) => {
  if (message.kind === 'begin')
    begin(message).catch((error: unknown) => {
      say({ kind: 'failed', words: error instanceof Error ? error.message : String(error) });
      process.exitCode = 1;
      process.disconnect();
    });
  else if (message.kind === 'revoked') {
    revoked = message.principals;
    server?.revoke(revoked);
  } else {
    answers.get(message.id)?.(new Set(message.held));
    answers.delete(message.id);
  }
});
process.on('disconnect', () => void end());
// The broker ends it: a Ctrl-C at the terminal is for the broker.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
