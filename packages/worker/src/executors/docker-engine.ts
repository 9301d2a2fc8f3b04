/** What the Docker engine says, in our words: its errors as failures, its log stream as bytes. */
import { type Failure, failure } from '@gryphgen/protocol';
import type { Alarms } from '@gryphgen/runtime';

export interface CallTools {
  readonly alarms: Alarms;
  /** Aborted when the worker stops. */
  readonly signal: AbortSignal;
}

/** A call that is given up after `ms`. (AbortSignal.any leaks in Node 20 when one of its sources lives on.) */
export async function within<T>(
  ms: number,
  { alarms, signal }: CallTools,
  call: (abortSignal: AbortSignal) => Promise<T>,
): Promise<T> {
  const giveUp = new AbortController();
  const abort = () => giveUp.abort();
  signal.addEventListener('abort', abort);
  const cancel = alarms.after(ms, abort);
  if (signal.aborted) abort();
  try {
    return await call(giveUp.signal);
  } finally {
    cancel();
    signal.removeEventListener('abort', abort);
  }
}

/** The same of a question that dockerode may not be able to abort: then it is left to itself. */
export function answerWithin<T>(
  ms: number,
  tools: CallTools,
  question: (abortSignal: AbortSignal) => Promise<T>,
): Promise<T> {
  return within(ms, tools, (abortSignal) =>
    Promise.race([question(abortSignal), rejectedBy(abortSignal, `no answer within ${ms} ms`)]),
  );
}

/** Rejects when the signal is aborted, and not before. */
export function rejectedBy(signal: AbortSignal, words: string): Promise<never> {
  return new Promise((_, reject) => {
    const giveUp = () => reject(new Error(words));
    signal.addEventListener('abort', giveUp, { once: true });
    if (signal.aborted) giveUp();
  });
}

/** Of an answer that came; null when none did (no engine, connection broken, aborted). */
export function statusOf(error: unknown): number | null {
  return typeof error === 'object' &&
    error !== null &&
    'statusCode' in error &&
    typeof error.statusCode === 'number'
    ? error.statusCode
    : null;
}

/** The engine's own sentence, without dockerode's framing. */
export function wordsOf(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'json' in error) {
    const { json } = error;
    if (typeof json === 'object' && json !== null && 'message' in json && typeof json.message === 'string') {
      return json.message.trim();
    }
  }
  const words = error instanceof Error ? error.message.trim() : String(error);
  return words.replace(/^\(HTTP code [0-9]+\) [a-z ]+ - /, '');
}

export function createFailure(error: unknown, image: string): Failure {
  switch (statusOf(error)) {
    case null:
      return engineLost(error);
    case 404:
      return failure('execution.image', `this worker has no image ${image}: it was removed there`);
    default:
      return failure('execution.start', `the engine refuses the container: ${wordsOf(error)}`);
  }
}

/** How the engine tells that its containerd is away, or was meanwhile: nothing that a task could be blamed for. */
const engineTrouble =
  /(?:: unavailable|: already exists|^id already in use|ttrpc: closed|context canceled|context deadline exceeded)(?:: unknown)?$/;

export function startFailure(error: unknown): Failure {
  const words = wordsOf(error);
  if (statusOf(error) === null) return engineLost(error);
  if (engineTrouble.test(words)) return failure('lost.worker', `the Docker engine is in trouble: ${words}`);
  const [, taken] =
    /:([0-9]+)(?: failed: port is already allocated|: bind: address already in use)/.exec(words) ?? [];
  if (taken !== undefined) return failure('execution.start', `port ${taken} of this machine is taken`);
  return failure('execution.start', `the container cannot start: ${words}`);
}

export function stoppedBefore(): Failure {
  return failure('cancelled.user', 'stopped before its container was started');
}

export function neverBegan(): Failure {
  return failure('lost.worker', 'its container ended before the command began');
}

export function endedWithEngine(): Failure {
  return failure('lost.worker', 'its container ended while the Docker engine of this worker was away');
}

export function engineLost(error: unknown): Failure {
  return failure('lost.worker', `the Docker engine of this worker does not answer: ${wordsOf(error)}`);
}

/**
 * With docker-init in front, a command that cannot be run is no start failure for the engine: init says so on the
 * container's stderr and exits with 127 or 126.
 */
export function initFailure(exitCode: number, firstOutput: string): Failure | null {
  if (exitCode !== 127 && exitCode !== 126) return null;
  const told = /^\[FATAL tini \([0-9]+\)\] exec (.+) failed: (.+)$/m.exec(firstOutput);
  return told ? failure('execution.start', `cannot run ${told[1]}: ${told[2]}`) : null;
}

/** What cannot be executed here at all: a program for another kind of machine, most of the time. */
export function isFormatError(words: string): boolean {
  return /exec format error/i.test(words);
}

/** The same, as docker-init or runc says it in the container's place. */
export function isFormatEnd(exitCode: number, firstOutput: string): boolean {
  return (
    (exitCode === 1 || exitCode === 255) &&
    /^(?:\[FATAL tini \([0-9]+\)\] |standard_init_linux\.go:[0-9]+: )?exec .*exec format error$/im.test(
      firstOutput,
    )
  );
}

/**
 * Whether this may be the end of a container that was ended from outside: TERM, KILL, or what the engine notes for those
 * it finds dead after a crash or a reboot. A command can end so by itself; who cannot tell should not blame it.
 */
export function endedFromOutside(exitCode: number): boolean {
  return exitCode === 143 || exitCode === 137 || exitCode === 255;
}

/** Frames of an attach or log stream: [stream, 0, 0, 0, length big-endian], then the bytes of stdout or stderr. */
const headerBytes = 8;

export interface LabelledBytes {
  /** 1: stdout, 2: stderr. */
  readonly stream: number;
  readonly bytes: Uint8Array;
}

/** Takes the frames' headers out of a stream whose chunks break anywhere. */
class FrameReader {
  private header = Buffer.alloc(0);
  private stream = 0;
  private left = 0;

  /** What the chunk holds, as views of it. */
  take(chunk: Uint8Array): LabelledBytes[] {
    const parts: LabelledBytes[] = [];
    for (let rest = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length); rest.length > 0; ) {
      if (this.left > 0) {
        const bytes = rest.subarray(0, this.left);
        this.left -= bytes.length;
        rest = rest.subarray(bytes.length);
        parts.push({ stream: this.stream, bytes });
        continue;
      }
      const missing = headerBytes - this.header.length;
      this.header = Buffer.concat([this.header, rest.subarray(0, missing)]);
      rest = rest.subarray(missing);
      if (this.header.length < headerBytes) continue;
      this.stream = this.header.readUInt8(0);
      this.left = this.header.readUInt32BE(4);
      this.header = Buffer.alloc(0);
    }
    return parts;
  }
}

/** stdout and stderr told apart, as they came together. */
export async function* chunks(
  stream: AsyncIterable<Uint8Array>,
): AsyncGenerator<readonly LabelledBytes[], void, undefined> {
  const reader = new FrameReader();
  for await (const chunk of stream) yield reader.take(chunk);
}

/** stdout and stderr told apart. */
export async function* labelled(
  stream: AsyncIterable<Uint8Array>,
): AsyncGenerator<LabelledBytes, void, undefined> {
  for await (const parts of chunks(stream)) yield* parts;
}
