/** What a container is given and what it has left: files of this worker, put into it, and taken out at its end. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { failure } from '@gryphgen/protocol';
import { type Alarms, scanPath } from '@gryphgen/runtime';
import type { Container } from 'dockerode';
import type { Files, Left } from '../artifacts/attempt-files.ts';
import { unpackArchive } from '../artifacts/unpack-archive.ts';
import type { Exit } from '../core/events.ts';
import type { Fence } from '../core/fence.ts';
import { statusOf, wordsOf } from './docker-engine.ts';

/** An engine on the slowest disk gives something. */
const stallMs = 60_000;

export interface OutputTools {
  readonly files: Files;
  readonly alarms: Alarms;
  /** The worker is being stopped. */
  readonly signal: AbortSignal;
}

/** Of an attempt that succeeded: with what it has left, or why that cannot be kept. `asked`: it is to end at once. */
export async function withOutputs(
  exit: Exit,
  fence: Fence,
  container: Container,
  { files, alarms, signal }: OutputTools,
  asked: AbortSignal,
): Promise<Exit> {
  const isWell = exit.exitCode === 0 && exit.failure === null;
  if (!isWell || files.outputsOf(fence).length === 0) return exit;
  const either = AbortSignal.any([signal, asked]);
  const folder = files.unpackIn(fence);
  let count = 0;
  const look = (path: string): Promise<Left> => {
    count += 1;
    return leftAt(container, path, join(folder, String(count)), alarms, signal);
  };
  try {
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const kept = await files.keep(fence, exit.outcome, look, either);
    return kept.ok ? { ...exit, outcome: kept.value } : { ...exit, failure: kept.failure };
  } catch (error) {
    return { ...exit, failure: failure('lost.worker', `its outputs cannot be kept: ${wordsOf(error)}`) };
  } finally {
    await rm(folder, { recursive: true, force: true }).catch(() => undefined);
  }
}

async function leftAt(
  container: Container,
  path: string,
  to: string,
  alarms: Alarms,
  signal: AbortSignal,
): Promise<Left> {
  const stalled = new AbortController();
  const abortSignal = AbortSignal.any([stalled.signal, signal]);
  const give = (): void => stalled.abort(new Error('the Docker engine gives no more of it'));
  let cancel = alarms.after(stallMs, give);
  try {
    const options = { path, abortSignal } as Parameters<Container['getArchive']>[0];
    const archive = (await container.getArchive(options)) as AsyncIterable<Uint8Array>;
    const moving = (async function* () {
      for await (const bytes of archive) {
        cancel();
        yield bytes;
        cancel = alarms.after(stallMs, give);
      }
    })();
    return (await unpackArchive(moving, to)) ?? (await scanPath(to, { signal, name: path }));
  } catch (error) {
    if (statusOf(error) === 404) return failure('rejected.not-found', 'the task has not left it');
    return failure('lost.worker', wordsOf(error));
  } finally {
    cancel();
  }
}
