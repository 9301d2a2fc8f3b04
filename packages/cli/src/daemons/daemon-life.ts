/**
 * A daemon's process: started, told to be ready, stopped by a signal or because its supervisor is gone. Who is told is
 * the supervisor of `grid up`, or systemd.
 *
 * 1. Under a supervisor (a channel to the parent exists) it stops when the channel closes: no daemon outlives it.
 * 2. What ends it is logged, told, and becomes the exit code.
 * 3. It is ready when it answers, and not before: a broker when its journal is read and its sockets are bound, a worker
 *    when a broker has welcomed it.
 */
import { exitCodeOf, GridError } from '@gryphgen/protocol';
import { endSignal, type Log, serviceManager, systemAlarms } from '@gryphgen/runtime';
import { z } from 'zod';
import { failedExit } from '../exit-codes.ts';

export interface Daemon {
  /** What its start waits for, and what it has come to, in words. */
  readonly words: { readonly starting: string; readonly ready: string };
  /** Resolves when it answers; `details` are for whoever started it. */
  start(): Promise<Readonly<Record<string, unknown>>>;
  stop(): Promise<void>;
  /** Rejects when it cannot go on. */
  readonly failed: Promise<never>;
}

/** What a daemon says to its supervisor. */
export const daemonWordSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('ready'), details: z.record(z.string(), z.unknown()) }),
  z.object({ kind: z.literal('failed'), words: z.string() }),
]);
type DaemonWord = z.infer<typeof daemonWordSchema>;

/** Makes it and runs it until it is told to stop. Returns the exit code. */
export async function live(make: () => Daemon, log: Log): Promise<number> {
  const manager = serviceManager(process.env, systemAlarms);
  const tellFailure = (error: unknown): void => {
    tell({ kind: 'failed', words: wordsOf(error) });
    manager.status(wordsOf(error));
  };
  let daemon: Daemon;
  try {
    daemon = make();
  } catch (error) {
    tellFailure(error);
    manager.close();
    throw error;
  }
  manager.status(daemon.words.starting);
  const end = Promise.race([endSignal(), parentGone()]);
  let code = 0;
  try {
    const started = await Promise.race([daemon.start(), end, daemon.failed]);
    if (typeof started !== 'string') {
      tell({ kind: 'ready', details: started });
      manager.ready(daemon.words.ready);
      log.info({ reason: await Promise.race([end, daemon.failed]) }, 'stopping');
    }
  } catch (error) {
    log.error({ err: error }, 'the daemon cannot go on');
    tellFailure(error);
    code = error instanceof GridError ? exitCodeOf(error.code) : failedExit;
  }
  manager.stopping();
  // The watchdog goes on: a daemon that hangs while it stops is ended as one that hangs.
  await daemon.stop();
  manager.close();
  if (process.connected) process.disconnect();
  return code;
}

/** A daemon's `failed`, and how it is made to reject. */
export function failure(): { readonly failed: Promise<never>; readonly fail: (error: unknown) => void } {
  let fail: (error: unknown) => void = () => undefined;
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  // It may fail while nobody looks, such as during stop.
  failed.catch(() => undefined);
  return { failed, fail };
}

/** Resolves when the channel to the parent closes, or closed before anybody looked; never without a channel. */
export function parentGone(): Promise<string> {
  return new Promise((resolve) => {
    if (process.send === undefined) return;
    const tell = (): void => resolve('the supervisor is gone');
    if (process.connected) process.once('disconnect', tell);
    else tell();
  });
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function tell(word: DaemonWord): void {
  if (process.connected) process.send?.(word);
}
