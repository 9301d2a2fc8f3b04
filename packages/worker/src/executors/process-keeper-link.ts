/**
 * A worker's connection to its process keeper: to the one that an earlier life has left, or to one of its own.
 *
 * 1. What arrived before the connection broke is heard before `onGone`.
 */
import { fork } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import type { Alarms } from '@gryphgen/runtime';
import type { KeeperPlace } from './process-keeper-place.ts';
import {
  FrameReader,
  type FromKeeper,
  type HeldAttempt,
  keeperVersion,
  type ToKeeper,
  writeFrame,
} from './process-messages.ts';

/** A keeper that is well answers at once, and listens a second after it was forked; on a busy machine later. */
const answerMs = 15_000;

export interface LinkEvents {
  onMessage(message: FromKeeper, bytes: Uint8Array): void;
  /** Once, whoever ended the connection. */
  onGone(): void;
}

export type Meeting =
  | { readonly kind: 'met'; readonly link: KeeperLink; readonly held: readonly HeldAttempt[] }
  /** Nobody is there. */
  | { readonly kind: 'none' }
  /** One is there that cannot be used, in words. */
  | { readonly kind: 'useless'; readonly why: string };

export class KeeperLink {
  private readonly socket: Socket;
  private readonly gone: Promise<unknown>;

  constructor(socket: Socket, events: LinkEvents) {
    this.socket = socket;
    const reader = new FrameReader<FromKeeper>((message, bytes) => events.onMessage(message, bytes));
    socket.on('data', (piece) => {
      try {
        reader.push(piece);
      } catch (error) {
        socket.destroy(error instanceof Error ? error : undefined);
      }
    });
    // A connection that breaks ends with `close` as well.
    socket.on('error', () => undefined);
    this.gone = new Promise<void>((resolve) => {
      socket.once('close', () => {
        resolve();
        events.onGone();
      });
    });
  }

  /** To one that is gone nothing is sent: `onGone` has told, or will. */
  send(message: ToKeeper): void {
    if (this.socket.writable) this.socket.write(writeFrame(message));
  }

  /** What was sent arrives first. */
  async leave(): Promise<void> {
    this.socket.end();
    await this.gone;
  }

  destroy(): void {
    this.socket.destroy();
  }
}

/** Throws what keeps this machine from asking (no more open files, no right to). */
export async function meetKeeper(place: KeeperPlace, alarms: Alarms, events: LinkEvents): Promise<Meeting> {
  const socket = await connected(place.socketPath);
  if (socket === null) return { kind: 'none' };
  return new Promise((resolve) => {
    const held: HeldAttempt[] = [];
    let holds = Number.POSITIVE_INFINITY;
    let isMet = false;
    const useless = (why: string): void => {
      cancel();
      resolve({ kind: 'useless', why });
      link.destroy();
    };
    const link = new KeeperLink(socket, {
      onMessage: (message, bytes) => {
        if (isMet) return events.onMessage(message, bytes);
        if (message.kind === 'held') held.push(message);
        else if (message.kind === 'welcome') {
          const { version, root } = message;
          if (version !== keeperVersion)
            return useless(`it is of version ${version}, and this worker of ${keeperVersion}`);
          if (root !== place.root) return useless(`it is the keeper of ${root}`);
          holds = message.holds;
        }
        if (held.length < holds) return;
        isMet = true;
        cancel();
        resolve({ kind: 'met', link, held });
      },
      onGone: () => {
        cancel();
        if (isMet) events.onGone();
        // It was just ending.
        else resolve({ kind: 'none' });
      },
    });
    const cancel = alarms.after(answerMs, () => useless(`it did not answer within ${answerMs / 1000} s`));
    link.send({ kind: 'hello', version: keeperVersion, root: place.root });
  });
}

/** Resolves with its pid when it listens; rejects when it does not come to it. There must be no other. */
export async function forkKeeper(place: KeeperPlace, file: string, alarms: Alarms): Promise<number> {
  const log = openLog(place.logPath);
  const keeper = fork(file, [place.socketPath, place.root, place.notePath], {
    cwd: '/',
    detached: true,
    env: {},
    execArgv: [],
    stdio: ['ignore', 'ignore', log, 'ipc'],
  });
  if (log !== 'ignore') closeSync(log);
  await new Promise<void>((resolve, reject) => {
    const cancel = alarms.after(answerMs, () => {
      keeper.kill('SIGKILL');
      reject(new Error(`it does not listen after ${answerMs / 1000} s`));
    });
    const fail = (error: Error): void => {
      cancel();
      reject(error);
    };
    keeper.once('message', () => {
      cancel();
      resolve();
    });
    keeper.once('error', fail);
    keeper.once('exit', (code, signal) => fail(new Error(`it ended with ${signal ?? `exit code ${code}`}`)));
  });
  if (keeper.connected) keeper.disconnect();
  keeper.unref();
  return keeper.pid ?? 0;
}

function openLog(path: string): number | 'ignore' {
  try {
    return openSync(path, 'w', 0o600);
  } catch {
    return 'ignore'; // a full disk: it has nothing to say but when it crashes
  }
}

/** Null when nobody listens there. */
function connected(path: string): Promise<Socket | null> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.removeAllListeners('error');
      resolve(socket);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED') resolve(null);
      else reject(error);
    });
  });
}
