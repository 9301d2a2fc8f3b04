/**
 * The process keeper: holds the processes of a worker, their output and their ends, over the worker's own end, and gives
 * them to its next life. Forked by the worker while that is still small, because forking costs by the parent's size
 * (2 ms from here, 21 ms from a worker of 1 GiB).
 *
 * 1. Nothing that ends the worker ends the keeper: it has a session of its own, and listens on a socket in a folder that
 *    only its owner can enter.
 * 2. One worker at a time: a later one is heard when the connection of the earlier has ended, and with it all that the
 *    earlier had said.
 * 3. It ends by itself: when it holds nothing and no worker is there; when no worker can find it any more; when what it
 *    holds has ended and nobody came for it in `untakenMs`. Asked to end (SIGTERM), it ends what it holds.
 */
import { chmodSync, closeSync, rmSync, statSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { removeIfEmpty } from './control-groups.ts';
import { ProcessGroup } from './process-group.ts';
import {
  FrameReader,
  type FromKeeper,
  keeperVersion,
  type ToKeeper,
  writeFrame,
} from './process-messages.ts';
import { ProcessUse } from './process-use.ts';

/** A worker that forked it connects at once. */
const firstWorkerMs = 10_000;
const lookMs = 10_000;
const stderrFd = 2;
/** One that is served, and those of workers that come while it ends. */
const maxConnections = 4;
const untakenMs = 24 * 3_600_000;
/** Of SIGTERM to what it holds; whoever asked waits. */
const politeMs = 2000;
/** Of SIGKILL. */
const killedMs = 2000;

const [socketPath = '', root = '', notePath = ''] = process.argv.slice(2);

const groups = new Map<string, ProcessGroup>();
/** Where their control groups were made. */
const groupFolders = new Set<string>();
const use = new ProcessUse();
let worker: Socket | null = null;
const waiting: Socket[] = [];
let isEnding = false;
let aloneSince = performance.now();

function tell(message: FromKeeper, bytes?: Uint8Array): void {
  if (!isEnding) worker?.write(writeFrame(message, bytes));
}

function onMessage(message: ToKeeper): void {
  switch (message.kind) {
    case 'hello':
      welcome(message.version === keeperVersion && message.root === root);
      break;
    case 'start':
      if (message.group !== undefined) groupFolders.add(dirname(message.group.folder));
      groups.set(message.key, new ProcessGroup(message, tell, use));
      break;
    case 'stop':
      groups.get(message.key)?.stop(message.graceMs, message.why);
      break;
    case 'resume':
      groups.get(message.key)?.resume(message.from);
      break;
    case 'took':
      groups.get(message.key)?.taken(message.to);
      break;
    case 'forget':
      groups.delete(message.key);
      break;
    default:
      message satisfies never;
  }
}

/** Another version is told no more than that this is another. */
function welcome(isOurs: boolean): void {
  const held = isOurs ? [...groups.values()] : [];
  tell({ kind: 'welcome', version: keeperVersion, root, holds: held.length });
  for (const group of held) tell(group.held());
}

function attend(socket: Socket): void {
  worker = socket;
  const reader = new FrameReader<ToKeeper>(onMessage);
  socket.on('data', (piece) => {
    try {
      reader.push(piece);
    } catch (error) {
      socket.destroy(error instanceof Error ? error : undefined);
    }
  });
  socket.once('close', onWorkerGone);
}

function onWorkerGone(): void {
  worker = null;
  aloneSince = performance.now();
  for (const group of groups.values()) group.leave();
  const next = waiting.shift();
  if (next !== undefined) attend(next);
  else if (groups.size === 0) end();
}

/** Every one of them is to be ended: told to, then killed. Their ends are nobody's any more. */
async function endAll(): Promise<void> {
  if (isEnding) return;
  isEnding = true;
  const alive = [...groups.values()].filter(({ isOver }) => !isOver);
  for (const group of alive) group.stop(politeMs, 'drop');
  const late = new Promise((resolve) => setTimeout(resolve, politeMs));
  await Promise.race([Promise.all(alive.map((group) => group.gone)), late]);
  for (const group of alive) group.killGroup('SIGKILL');
  await Promise.race([
    Promise.all(alive.map(({ gone }) => gone)),
    new Promise((resolve) => setTimeout(resolve, killedMs)),
  ]);
  end();
}

function end(): void {
  for (const folder of groupFolders) removeIfEmpty(folder);
  // What is there of another keeper is not ours to remove.
  if (isReachable()) {
    // Whoever finds no note takes it that nothing in the home is open any more: it may be unmounted.
    server.close();
    closeSync(stderrFd);
    for (const path of [socketPath, notePath]) rmSync(path, { force: true });
  }
  process.exit(0);
}

/** A home that was deleted, or a socket that somebody removed. */
function isReachable(): boolean {
  return statSync(socketPath, { throwIfNoEntry: false })?.ino === inode;
}

function look(): void {
  if (worker !== null) return;
  const aloneMs = performance.now() - aloneSince;
  const isUntaken = aloneMs > untakenMs && [...groups.values()].every(({ isOver }) => isOver);
  if (!isReachable() || isUntaken) void endAll();
}

let inode = 0;
const server = createServer((socket) => {
  // A connection that breaks ends with `close` as well.
  socket.on('error', () => undefined);
  if (worker === null) attend(socket);
  else waiting.push(socket);
});
server.maxConnections = maxConnections;
rmSync(socketPath, { force: true });
server.listen(socketPath, () => {
  chmodSync(socketPath, 0o600);
  inode = statSync(socketPath).ino;
  process.send?.('listening', undefined, undefined, () => {
    if (process.connected) process.disconnect();
  });
});
setInterval(look, lookMs);
setTimeout(() => {
  if (worker === null && groups.size === 0) end();
}, firstWorkerMs);

process.on('SIGTERM', () => void endAll());
// Whoever forked it may be gone before it was told that it listens.
process.on('disconnect', () => undefined);
process.on('SIGHUP', () => undefined);
