/**
 * What people do with the grid in one run: submissions of every kind, the same key twice, cancels, watches, drains.
 * A list of operations with times, so that a failing run can be shrunk by leaving some out.
 */
import { type Envelope, envelopeDefaults, type TaskKind } from '@gryphgen/protocol';
import { drains, maintenance, windows } from './drain-orders.ts';
import type { GridShape } from './grid-shape.ts';
import { type MachineChange, type Operation, workloadMs } from './operation.ts';
import type { SeededRandom } from './seeded-random.ts';
import { type AttemptPlan, isEndless, type Script, type ServiceScript } from './task-script.ts';

const MiB = 1024 ** 2;
export const unchanged: MachineChange = { foreignBytes: 0, stops: [], hot: false };
const changes: readonly MachineChange[] = [
  unchanged,
  { ...unchanged, foreignBytes: 100 * MiB },
  { ...unchanged, foreignBytes: 4000 * MiB },
  { ...unchanged, foreignBytes: 4000 * MiB, stops: ['container'] },
  { ...unchanged, stops: ['container', 'process', 'noop'] },
  { ...unchanged, hot: true },
];
export function planWorkload(random: SeededRandom, grid: GridShape): Operation[] {
  const operations: Operation[] = [];
  const count = random.int(5, random.pick([15, 25, 50]));
  const bursty = random.chance(0.5);
  for (let no = 0; no < count; no += 1) {
    const at = bursty
      ? random.pick([500, 2000, 20_000, 40_000]) + random.between(0, 200)
      : random.between(0, workloadMs);
    operations.push(...submission(random.split(no), grid, no, at));
  }
  if (random.chance(0.5)) operations.push(...drains(random, grid));
  if (random.chance(0.2)) operations.push(...maintenance(random, grid));
  const pressed = random.split('pressed');
  if (pressed.chance(0.25)) operations.push(...pressing(pressed, grid));
  const planned = random.split('windows');
  if (planned.chance(0.3)) operations.push(...windows(planned, grid));
  if (random.chance(0.3)) operations.push(trespass(random, grid, count));
  if (random.chance(0.1)) operations.push(...crowding(random, grid));
  const revoking = random.split('revoke');
  if (revoking.chance(0.15)) operations.push(revocation(revoking, grid));
  for (let n = random.int(0, 3); n > 0; n -= 1) {
    const change = random.pick(changes);
    operations.push({
      at: random.between(0, workloadMs),
      kind: 'change',
      worker: random.pick(grid.workers).name,
      change,
    });
  }
  for (let n = random.int(0, 4); n > 0; n -= 1) {
    const [at, client] = [random.between(0, workloadMs), random.pick(grid.clients).name];
    operations.push({ at, kind: 'survey', client, op: random.pick(['ps', 'nodes', 'status'] as const) });
  }
  return operations.sort((a, b) => a.at - b.at);
}

function submission(random: SeededRandom, grid: GridShape, no: number, at: number): Operation[] {
  const client = random.pick(grid.clients).name;
  const script = makeScript(random, grid, no);
  const keyed = script.envelope.durable && random.chance(0.35);
  // Few keys, so that they meet: again by the same client, by another of its principal, with another specification.
  const key = keyed ? `key-${random.int(1, 6)}` : '';
  const made: Operation[] = [{ at, kind: 'submit', client, no, key, script }];
  if (keyed && random.chance(0.5)) {
    const again = at + random.pick([1, 50, 3000, 30_000]) * random.next();
    made.push({
      at: again,
      kind: 'submit',
      client: random.pick(grid.clients).name,
      no: no + 1000,
      key,
      script,
    });
  }
  if (isEndless(script)) {
    // It must end somehow: its owner cancels it, again and again until it is heard.
    for (const delay of [random.between(1, 20_000), 40_000]) {
      made.push({ at: at + delay, kind: 'cancel', client: 'admin', no });
    }
  } else if (random.chance(0.25)) {
    const delay = random.pick([0, 5, 100, 3000, 15_000]) * random.between(0.5, 1.5);
    const by = random.weighted([
      [6, client],
      [2, 'admin'],
      [1, random.pick(grid.clients).name],
    ]);
    made.push({ at: at + delay, kind: 'cancel', client: by, no });
  }
  if (random.chance(0.2)) {
    const watcher = random.pick([...grid.clients.map(({ name }) => name), 'viewer']);
    made.push({
      at: at + random.between(0, 10_000),
      kind: 'watch',
      client: watcher,
      no,
      progress: random.chance(0.5),
    });
  }
  if (random.chance(0.1)) {
    const op = random.pick(['show', 'explain', 'spec'] as const);
    made.push({ at: at + random.between(0, 20_000), kind: 'ask', client, op, no });
  }
  return made;
}

function revocation(random: SeededRandom, grid: GridShape): Operation {
  const at = random.pick([random.between(1000, workloadMs), 2000 + random.between(0, 300)]);
  // Somebody without the right to it tries, too.
  const client = random.chance(0.8) ? 'admin' : random.pick(grid.clients).name;
  return { at, kind: 'revoke', client, identity: random.pick(grid.clients).identity };
}

/** Two that share a card of the reference machine, and one of them takes more than its part. */
function crowding(random: SeededRandom, grid: GridShape): Operation[] {
  const at = random.between(0, 0.5 * workloadMs);
  return [2, 0.5].map((vramUse, index) => {
    const no = 3000 + index;
    const script = makeScript(random, grid, no);
    const gpu = { kind: 'part', vramBytes: 5000 * MiB, name: '3060' } as const;
    const resources = { cpuMilli: 100, memoryBytes: 0, diskBytes: 0, gpu };
    return {
      at: at + index * random.pick([0, 1000, 8000]),
      kind: 'submit',
      client: random.pick(grid.clients).name,
      no,
      key: '',
      script: { ...script, vramUse, runMs: 30_000, envelope: { ...script.envelope, resources } },
    };
  });
}

/** A grid full of long work of low priority that may be ended, and a few who cannot wait: what is there is ended for them. */
function pressing(random: SeededRandom, grid: GridShape): Operation[] {
  const made: Operation[] = [];
  const from = random.pick([500, 5000, 20_000]);
  const submit = (no: number, at: number, script: Partial<Script>, over: Partial<Envelope>) => {
    const { envelope: usual, ...rest } = makeScript(random.split(no), grid, no);
    const { restart: _, ...envelope } = { ...usual, queueTimeoutMs: 0, timeoutMs: 0, ...over };
    const client = random.pick(grid.clients).name;
    const whole = { ...rest, plans: ['ok' as const], service: null, ...script, envelope };
    made.push({ at, kind: 'submit', client, no, key: '', script: whole });
  };
  for (let n = random.int(6, 16); n > 0; n -= 1) {
    const cpuMilli = random.pick([1000, 2000, 4000]);
    const resources = { cpuMilli, memoryBytes: 0, diskBytes: 0 };
    const low = { preemptible: true, priority: -50, durable: true, resources, constraints: { labels: {} } };
    submit(4000 + n, from + random.between(0, 500), { runMs: random.between(5000, 25_000) }, low);
  }
  for (let n = random.int(2, 5); n > 0; n -= 1) {
    const resources = { cpuMilli: random.pick([2000, 4000]), memoryBytes: 0, diskBytes: 0 };
    const urgent = { priority: 100, resources, constraints: { labels: {} } };
    submit(5000 + n, from + random.between(1000, 8000), { runMs: random.between(100, 3000) }, urgent);
  }
  return made;
}

/** What those who ask for it have no right to. */
function trespass(random: SeededRandom, grid: GridShape, submissions: number): Operation {
  const at = random.between(1000, workloadMs);
  const [client, worker] = [random.pick(grid.clients).name, random.pick(grid.workers).name];
  switch (random.pick(['submit', 'cancel', 'drain', 'plan', 'remove'] as const)) {
    case 'submit':
      return {
        at,
        kind: 'submit',
        client: 'viewer',
        no: 2000,
        key: '',
        script: makeScript(random, grid, 2000),
      };
    case 'cancel':
      return { at, kind: 'cancel', client: 'viewer', no: random.int(0, submissions - 1) };
    case 'drain':
      return {
        at,
        kind: 'drain',
        client: random.pick([client, 'viewer']),
        worker,
        draining: true,
        deadlineMs: 0,
      };
    case 'plan':
      return { at, kind: 'plan', client, worker, window: 'window00', inMs: 0, deadlineMs: 0 };
    case 'remove':
      return { at, kind: 'remove', client, worker };
  }
}

const heldMiB = [0, 100, 700, 3000];

function makeScript(random: SeededRandom, grid: GridShape, no: number): Script {
  const forever = random.chance(0.08);
  const runMs = forever
    ? Number.POSITIVE_INFINITY
    : random.weighted([
        [2, 0],
        [3, random.between(1, 100)],
        [4, random.between(100, 5000)],
        [2, random.between(5000, 25_000)],
      ]);
  const service = random.chance(forever ? 0.7 : 0.2) ? serviceScript(random) : null;
  return {
    no,
    envelope: envelope(random, grid, forever),
    runMs,
    plans: plans(random),
    stubborn: random.chance(0.3),
    vramUse: random.pick([0, 0.5, 1, 1.6, 3]),
    memoryBytes: (heldMiB[no % heldMiB.length] ?? 0) * MiB,
    service,
  };
}

function serviceScript(random: SeededRandom): ServiceScript {
  const wellMs = random.between(10, 4000);
  return { wellMs, unhealthyMs: random.chance(0.5) ? Number.POSITIVE_INFINITY : 2 * wellMs };
}

function plans(random: SeededRandom): AttemptPlan[] {
  if (random.chance(0.7)) return ['ok'];
  const one = (): AttemptPlan => random.pick(['ok', 'exit', 'exit', 'oom', 'start'] as const);
  return Array.from({ length: random.int(1, 4) }, one);
}

function envelope(random: SeededRandom, grid: GridShape, forever: boolean): Envelope {
  const kind: TaskKind = random.weighted([
    [5, 'container'],
    [3, 'process'],
    [2, 'noop'],
  ]);
  const restart = random.chance(0.2) ? random.pick(['on-failure', 'always'] as const) : undefined;
  const told = random.split('preemptible');
  const preemptible = told.chance(0.6) ? { preemptible: told.chance(0.6) } : {};
  const constrained = random.chance(0.1) ? { worker: random.pick(grid.workers).name } : {};
  return {
    ...envelopeDefaults,
    kind,
    name: random.pick(['', 'train', 'render']),
    durable: random.chance(0.8),
    priority: random.pick([0, 0, 0, 10, -5]),
    retries: { limit: random.pick([0, 0, 1, 2, 3]), backoffMs: random.pick([0, 100, 1000, 4000]) },
    ...(restart && { restart }),
    ...preemptible,
    timeoutMs: random.chance(forever ? 0.5 : 0.15) ? random.int(500, 10_000) : 0,
    queueTimeoutMs: random.chance(0.1) ? random.int(500, 20_000) : 0,
    onLinkLost: random.chance(0.3) ? 'wait' : 'move',
    constraints: { ...constrained, labels: {} },
    resources: {
      cpuMilli: random.pick([0, 100, 1000, 1000, 2000, 4000]),
      memoryBytes: random.pick([0, 256, 1024, 4096]) * MiB,
      diskBytes: random.pick([0, 0, 100, 60_000]) * MiB,
      ...(random.chance(0.3) ? { gpu: gpu(random, grid) } : {}),
    },
  };
}

function gpu(random: SeededRandom, { workers }: GridShape): NonNullable<Envelope['resources']['gpu']> {
  const several = random.split('parts');
  const { devices } = several.pick(workers).report;
  if (devices.length > 1 && several.chance(0.3)) {
    const part = () => several.pick([500, 2000, 4000, 6000]) * MiB;
    return { kind: 'parts', parts: devices.map(({ uuid }) => ({ uuid, vramBytes: part() })) };
  }
  if (random.chance(0.3)) return { kind: 'whole', count: random.pick([1, 1, 2]) };
  return { kind: 'part', vramBytes: random.pick([1000, 3000, 5000, 11_000]) * MiB };
}
