/**
 * Follows one container to its end: copies its output, learns its exit code, and outlasts an engine that goes away for
 * a while.
 *
 * 1. The engine's answer may never come (dockerode does not notice when the connection breaks within `wait`): the log
 *    stream and `wait` watch over each other, and whatever breaks is begun again from the container's first byte.
 * 2. An engine can also fall silent and break nothing: it is asked every `lookMs` whether it is there.
 * 3. What ran in a warm container tells its success before the engine does: that takes some 50 ms to see it. It ends `restMs`
 *    after its success: the engine has an end to see and a container to remove then, which the next task would have to wait for.
 * 4. Bounded: an engine that stays away for `engineLostMs`, a log stream that tells nothing for `drainMs` after the exit.
 */
import type { Failure } from '@gryphgen/protocol';
import { failure } from '@gryphgen/protocol';
import { type Alarms, type Clock, pause } from '@gryphgen/runtime';
import type { Container } from 'dockerode';
import type { LogWriter } from '../attempt-log.ts';
import type { AttachedOutput } from './attached-output.ts';
import { answerWithin, type CallTools, engineLost, statusOf } from './docker-engine.ts';
import { OutputCopy, type OutputReader } from './output-copy.ts';

const engineLostMs = 60_000;
const askAgainMs = 500;
const lookMs = 60_000;
/** An engine that takes a question and does not answer it this fast is as good as away. */
const answerMs = 10_000;
/** From the end of the output to the exit code: normally nothing. */
const settleMs = 2000;
const drainMs = 10_000;
/** As long as some small tasks take, one after the other. */
const restMs = 200;

export interface ContainerEnd {
  readonly exitCode: number;
  readonly failure: Failure | null;
  readonly firstOutput: string;
  /** The engine went away meanwhile: it may have taken the container with it. */
  readonly interrupted: boolean;
  /** Null when the engine has said so. It was the output: resolves when the engine has seen the end too, or is not waited for. */
  readonly engineSees: Promise<void> | null;
  /** False where a warm container has ended before its command began. */
  readonly hasBegun: boolean;
  /** By its output; the engine may know of it too. */
  readonly outOfMemory: boolean;
}

export interface WatchTools {
  readonly clock: Clock;
  readonly alarms: Alarms;
  /** Aborted when the worker stops: nothing more is told then. */
  readonly signal: AbortSignal;
}

/** Where the output goes; asked again whenever it is told from its first byte again. */
export interface OutputPlace {
  log(): LogWriter;
  reader(): OutputReader;
  /** Where it comes from at first; null: the engine's log. */
  readonly attached: AttachedOutput | null;
}

/** Undefined when `signal` was aborted before the end. */
export async function watchContainer(
  container: Container,
  place: OutputPlace,
  tools: WatchTools,
): Promise<ContainerEnd | undefined> {
  let log = place.log();
  let { attached } = place;
  try {
    for (let interrupted = false; !tools.signal.aborted; interrupted = true) {
      const end = await watchOnce(container, new OutputCopy(log, place.reader(), attached), tools);
      attached = null;
      if (end !== 'broken') return { ...end, failure: null, interrupted };
      const gone = await waitForEngine(container, tools);
      if (gone !== null) return { ...lost, failure: gone, interrupted };
      log = place.log();
    }
    return undefined;
  } finally {
    await log.end();
  }
}

const lost = {
  exitCode: -1,
  firstOutput: '',
  engineSees: null,
  hasBegun: true,
  outOfMemory: false,
} as const;

async function watchOnce(
  container: Container,
  copy: OutputCopy,
  tools: WatchTools,
): Promise<Omit<ContainerEnd, 'failure' | 'interrupted'> | 'broken'> {
  const giveUp = new AbortController();
  const stop = () => giveUp.abort();
  tools.signal.addEventListener('abort', stop, { once: true });
  const close = () => {
    tools.signal.removeEventListener('abort', stop);
    giveUp.abort();
    copy.stop();
  };
  let engineSees: ContainerEnd['engineSees'] = null;
  const copied = copy.run(container, giveUp.signal);
  try {
    const waited = exitCodeOf(container, giveUp.signal);
    const outputOver = copied.then(() => pause(tools.alarms, settleMs, giveUp.signal));
    const silent = untilSilent(container, tools, giveUp.signal);
    const succeeded = copy.succeeded.then(() => 'early' as const);
    const exitCode = await Promise.race([succeeded, waited, outputOver.then(() => null), silent]);
    if (exitCode === null) return 'broken';
    if (exitCode === 'early') {
      const seen = Promise.all([waited, copied]);
      void pause(tools.alarms, restMs, giveUp.signal).then(() => copy.stop());
      engineSees = Promise.race([seen, pause(tools.alarms, drainMs, giveUp.signal)]).then(close);
      return { ...copy.found, exitCode: 0, engineSees };
    }
    await Promise.race([copied, copy.full, untilStalled(copy, tools.alarms, giveUp.signal)]);
    return { ...copy.found, exitCode, engineSees };
  } finally {
    if (engineSees === null) close();
  }
}

/** An engine under load takes its time to tell a long output. Bounded by the log, which takes no more some time. */
async function untilStalled(copy: OutputCopy, alarms: Alarms, signal: AbortSignal): Promise<void> {
  for (let seen = -1; seen !== copy.bytesSeen && !signal.aborted; ) {
    seen = copy.bytesSeen;
    await pause(alarms, drainMs, signal);
  }
}

/** Null when the engine did not say. */
async function exitCodeOf(container: Container, signal: AbortSignal): Promise<number | null> {
  try {
    const { StatusCode } = (await container.wait({ abortSignal: signal })) as { readonly StatusCode: number };
    return StatusCode;
  } catch {
    return null; // `waitForEngine` finds out why, and words for it
  }
}

/** Resolves with null when the engine does not answer any more, or `signal` is aborted. */
async function untilSilent(container: Container, { alarms }: WatchTools, signal: AbortSignal): Promise<null> {
  for (;;) {
    await pause(alarms, lookMs, signal);
    if (signal.aborted) return null;
    try {
      await inspect(container, { alarms, signal });
    } catch (error) {
      if (statusOf(error) === null) return null;
    }
  }
}

function inspect(container: Container, tools: CallTools): Promise<unknown> {
  return answerWithin(answerMs, tools, (abortSignal) => container.inspect({ abortSignal }));
}

/** Null when the engine answers and the container is there; else why there is nothing more to wait for. */
async function waitForEngine(
  container: Container,
  { clock, alarms, signal }: WatchTools,
): Promise<Failure | null> {
  const giveUpMono = clock.mono() + engineLostMs;
  for (;;) {
    await pause(alarms, askAgainMs, signal);
    if (signal.aborted) return null;
    try {
      await inspect(container, { alarms, signal });
      return null;
    } catch (error) {
      if (statusOf(error) === 404) return failure('lost.worker', 'somebody removed its container');
      if (clock.mono() >= giveUpMono) return engineLost(error);
    }
  }
}
