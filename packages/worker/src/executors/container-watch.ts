/**
 * Follows one container to its end: copies its output, learns its exit code, and outlasts an engine that goes away for
 * a while.
 *
 * 1. The engine's answer may never come (dockerode does not notice when the connection breaks within `wait`): the log
 *    stream and `wait` watch over each other, and whatever breaks is begun again from the container's first byte.
 * 2. An engine can also fall silent and break nothing: it is asked every `lookMs` whether it is there.
 * 3. Bounded: an engine that stays away for `engineLostMs`, a log stream that does not end for `drainMs` after the exit.
 */
import type { Failure } from '@gryphgen/protocol';
import { failure } from '@gryphgen/protocol';
import type { Alarms, Clock } from '@gryphgen/runtime';
import type { Container } from 'dockerode';
import type { LogWriter } from '../attempt-log.ts';
import { pause } from '../pause.ts';
import { answerWithin, type CallTools, engineLost, payloads, statusOf } from './docker-engine.ts';

const engineLostMs = 60_000;
const askAgainMs = 500;
const lookMs = 60_000;
/** An engine that takes a question and does not answer it this fast is as good as away. */
const answerMs = 10_000;
/** From the end of the output to the exit code: normally nothing. */
const settleMs = 2000;
const drainMs = 10_000;
/** Enough to hold what docker-init says of a command it cannot run. */
const firstOutputBytes = 512;

export interface ContainerEnd {
  readonly exitCode: number;
  readonly failure: Failure | null;
  readonly firstOutput: string;
  /** The engine went away meanwhile: it may have taken the container with it. */
  readonly interrupted: boolean;
}

export interface WatchTools {
  readonly clock: Clock;
  readonly alarms: Alarms;
  /** Aborted when the worker stops: nothing more is told then. */
  readonly signal: AbortSignal;
}

/** Undefined when `signal` was aborted before the end. `tellLog` gives the log, for output from its first byte, each time. */
export async function watchContainer(
  container: Container,
  tellLog: () => LogWriter,
  tools: WatchTools,
): Promise<ContainerEnd | undefined> {
  let log = tellLog();
  try {
    for (let interrupted = false; !tools.signal.aborted; interrupted = true) {
      const end = await watchOnce(container, log, tools);
      if (end !== 'broken') return { ...end, failure: null, interrupted };
      const gone = await waitForEngine(container, tools);
      if (gone !== null) return { exitCode: -1, failure: gone, firstOutput: '', interrupted };
      log = tellLog();
    }
    return undefined;
  } finally {
    await log.end();
  }
}

async function watchOnce(
  container: Container,
  log: LogWriter,
  tools: WatchTools,
): Promise<Pick<ContainerEnd, 'exitCode' | 'firstOutput'> | 'broken'> {
  const giveUp = new AbortController();
  const stop = () => giveUp.abort();
  tools.signal.addEventListener('abort', stop, { once: true });
  const copy = new OutputCopy(log);
  const copied = copy.run(container, giveUp.signal);
  try {
    const waited = exitCodeOf(container, giveUp.signal);
    const outputOver = copied.then(() => pause(tools.alarms, settleMs, giveUp.signal));
    const silent = untilSilent(container, tools, giveUp.signal);
    const exitCode = await Promise.race([waited, outputOver.then(() => null), silent]);
    if (exitCode === null) return 'broken';
    await Promise.race([copied, copy.full, pause(tools.alarms, drainMs, giveUp.signal)]);
    return { exitCode, firstOutput: copy.firstOutput };
  } finally {
    tools.signal.removeEventListener('abort', stop);
    giveUp.abort();
    copy.stop();
  }
}

class OutputCopy {
  firstOutput = '';
  /** Resolves when the log takes no more: what is still to come need not be waited for. */
  readonly full: Promise<void>;
  private readonly log: LogWriter;
  private isFull: () => void = () => undefined;
  private stopped = false;

  constructor(log: LogWriter) {
    this.log = log;
    this.full = new Promise((resolve) => {
      this.isFull = resolve;
    });
  }

  /** What comes late is nobody's: the log may be told again already. */
  stop(): void {
    this.stopped = true;
  }

  /** Resolves when the stream is over, by its end or by its breaking: the exit code tells which it was. */
  async run(container: Container, signal: AbortSignal): Promise<void> {
    try {
      const options = { follow: true, stdout: true, stderr: true, abortSignal: signal } as const;
      const stream = (await container.logs(options)) as unknown as AsyncIterable<Uint8Array>;
      for await (const bytes of payloads(stream)) {
        if (this.firstOutput.length < firstOutputBytes) {
          this.firstOutput += Buffer.from(bytes.subarray(0, firstOutputBytes)).toString('latin1');
        }
        if (this.stopped) return;
        if (!(await this.log.write(bytes))) this.isFull();
      }
    } catch {
      // Broken or aborted: over either way, and `waited` knows more.
    }
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
