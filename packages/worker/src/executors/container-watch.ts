/**
 * Follows one container to its end: copies its output, learns its exit code, and outlasts an engine that goes away for
 * a while.
 *
 * 1. The engine's answer may never come (dockerode does not notice when the connection breaks within `wait`): the log
 *    stream and `wait` watch over each other, and whatever breaks is begun again from the container's first byte.
 * 2. An engine can also fall silent and break nothing: it is asked every `lookMs` whether it is there.
 * 3. What ran in a warm container tells its success before the engine does: that takes some 50 ms to see it.
 * 4. Bounded: an engine that stays away for `engineLostMs`, a log stream that does not end for `drainMs` after the exit.
 */
import type { Failure } from '@gryphgen/protocol';
import { failure } from '@gryphgen/protocol';
import { type Alarms, type Clock, pause } from '@gryphgen/runtime';
import type { Container } from 'dockerode';
import type { LogWriter } from '../attempt-log.ts';
import {
  answerWithin,
  type CallTools,
  chunks,
  engineLost,
  type LabelledBytes,
  statusOf,
} from './docker-engine.ts';

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
  /** Null when the engine has said so. It was the output: resolves when the engine has seen the end too, or is not waited for. */
  readonly engineSees: Promise<void> | null;
  /** False where a warm container has ended before its command began. */
  readonly hasBegun: boolean;
  /** By its output; the engine may know of it too. */
  readonly outOfMemory: boolean;
}

/** What of a container's output is the attempt's: all of it, but for the words of a warm one's shell. */
export interface OutputReader {
  take(part: LabelledBytes): Uint8Array;
  rest(): Uint8Array;
  /** Where the output itself tells that it has succeeded. */
  readonly succeeded: boolean;
  /** Where the output itself tells that it has failed, and that the kernel killed something at the limit of memory. */
  readonly outOfMemory: boolean;
  readonly hasBegun: boolean;
}
export const wholeOutput: OutputReader = {
  take: ({ bytes }) => bytes,
  rest: () => new Uint8Array(0),
  succeeded: false,
  outOfMemory: false,
  hasBegun: true,
};

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
}

/** Undefined when `signal` was aborted before the end. */
export async function watchContainer(
  container: Container,
  place: OutputPlace,
  tools: WatchTools,
): Promise<ContainerEnd | undefined> {
  let log = place.log();
  try {
    for (let interrupted = false; !tools.signal.aborted; interrupted = true) {
      const end = await watchOnce(container, new OutputCopy(log, place.reader()), tools);
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
      engineSees = Promise.race([seen, pause(tools.alarms, drainMs, giveUp.signal)]).then(close);
      return { ...copy.found, exitCode: 0, engineSees };
    }
    await Promise.race([copied, copy.full, pause(tools.alarms, drainMs, giveUp.signal)]);
    return { ...copy.found, exitCode, engineSees };
  } finally {
    if (engineSees === null) close();
  }
}

class OutputCopy {
  /** Resolves when the log takes no more: what is still to come need not be waited for. */
  readonly full: Promise<void>;
  /** Resolves when the output has told so. */
  readonly succeeded: Promise<void>;
  private readonly log: LogWriter;
  private readonly reader: OutputReader;
  private isFull: () => void = () => undefined;
  private hasSucceeded: () => void = () => undefined;
  private firstOutput = '';
  private stopped = false;

  constructor(log: LogWriter, reader: OutputReader) {
    this.log = log;
    this.reader = reader;
    this.full = new Promise((resolve) => {
      this.isFull = resolve;
    });
    this.succeeded = new Promise((resolve) => {
      this.hasSucceeded = resolve;
    });
  }

  get found() {
    const { hasBegun, outOfMemory } = this.reader;
    return { firstOutput: this.firstOutput, hasBegun, outOfMemory };
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
      for await (const parts of chunks(stream)) {
        await this.copy(Buffer.concat(parts.map((part) => this.reader.take(part))));
        if (this.stopped) return;
        if (this.reader.succeeded) this.hasSucceeded();
      }
      await this.copy(this.reader.rest());
    } catch {
      // Broken or aborted: over either way, and `waited` knows more.
    }
  }

  private async copy(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    if (this.firstOutput.length < firstOutputBytes)
      this.firstOutput += Buffer.from(bytes.subarray(0, firstOutputBytes)).toString('latin1');
    if (this.stopped) return;
    if (!(await this.log.write(bytes))) this.isFull();
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
