/**
 * The last lines of what an instance said, for the words of its failure.
 *
 * 1. Bounded, and not read from the log: that is cut off at its limit, long before a server that serves for weeks ends.
 */
import { type Failure, failure } from '@gryphgen/protocol';
import type { LogWriter } from '../attempt-log.ts';

const tailBytes = 16 * 1024;
const wordsChars = 300;
/** What a server says when it crashes. */
const lastLines = 20;

const outOfMemory =
  /out of (?:\w+ )?memory|OutOfDeviceMemory|OutOfHostMemory|failed to allocate|unable to allocate|cudaMalloc failed|bad_alloc/i;
/** It warns of it, and computes on the host. */
const noDevice =
  /no usable GPU found|failed to initialize (?:CUDA|Vulkan|ROCm)|no (?:CUDA|ROCm)-capable device/i;
/** What llama.cpp says of what went wrong; the lines after it tell only what follows from that. */
const telling = /\b(?:error|failed|invalid|unknown|unsupported|cannot|could not|couldn't|missing|abort)/i;
/** `0.00.190.064 I srv  operator(): `: when, how serious and where. */
const prefix = /^[0-9.]+ [A-Z] +|^\[[0-9]+\] +/;

export class OutputTail {
  private readonly decoder = new TextDecoder();
  private text = '';

  /** What is written there is seen here. */
  beside(log: LogWriter): LogWriter {
    return {
      write: (bytes) => {
        this.text = (this.text + this.decoder.decode(bytes, { stream: true })).slice(-tailBytes);
        return log.write(bytes);
      },
      end: () => log.end(),
    };
  }

  /** What it said of finding no device to compute on; undefined where it said nothing of that. */
  noDevice(): string | undefined {
    const line = this.text.split('\n').find((one) => noDevice.test(one));
    return line === undefined ? undefined : shown(line.replace(prefix, '').trim());
  }

  /**
   * Why it ended, as far as it said; `what`: that it did. Of one that never was ready the first line that tells, or the last
   * of all; of one that was, the last that tells: before, it may have complained of requests.
   */
  failure(what: string, wasReady: boolean): Failure {
    const lines = this.text.split('\n').map((line) => line.replace(prefix, '').trim());
    const memory = lines.find((line) => outOfMemory.test(line));
    if (memory !== undefined) return failure('execution.oom', `${what}: ${shown(memory)}`);
    const words = wasReady
      ? lines.slice(-lastLines).findLast((line) => telling.test(line))
      : (lines.find((line) => telling.test(line)) ?? lines.findLast((line) => line !== ''));
    return failure('execution.model', words === undefined ? what : `${what}: ${shown(words)}`);
  }
}

function shown(line: string): string {
  return line.replace(/[^ -~]+/g, ' ').slice(0, wordsChars);
}
