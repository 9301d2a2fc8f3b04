/**
 * Logs as a worker brings them to be kept: of each a line of JSON, then its bytes. What is kept of one is all of it, or of
 * a longer one its beginning and its end, with a line between them that says so.
 */
import { limits } from '@gryphgen/protocol';
import { z } from 'zod';

/** Of one line. */
export const mostHeadBytes = 128;
const markBytes = 256;
/** Of a log that is cut, before and behind the line that says so. */
const halfBytes = limits.keptLogBytes / 2;

const number = z.number().int().min(1).max(Number.MAX_SAFE_INTEGER);
const headSchema = z.object({
  task: number,
  attempt: number,
  bytes: z
    .number()
    .int()
    .min(0)
    .max(limits.keptLogBytes + markBytes),
});
export type KeptLogHeader = Readonly<z.infer<typeof headSchema>>;

export function keptLogHead(head: KeptLogHeader): Buffer {
  return Buffer.from(`${JSON.stringify(head)}\n`);
}

/** Undefined when it is none. */
export function readKeptLogHead(line: string): KeptLogHeader | undefined {
  try {
    return headSchema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

/** What is kept of a log that has so many bytes, and how many of them. */
export function keptLogOf(
  bytes: number,
  log: AsyncIterable<Uint8Array>,
): { readonly bytes: number; readonly log: AsyncIterable<Uint8Array> } {
  if (bytes <= limits.keptLogBytes) return { bytes, log };
  const left = bytes - 2 * halfBytes;
  const mark = Buffer.from(`\n[gryphgen: ${left} bytes of the log were not kept here]\n`);
  return { bytes: 2 * halfBytes + mark.length, log: cut(log, left, mark) };
}

async function* cut(log: AsyncIterable<Uint8Array>, left: number, mark: Buffer): AsyncGenerator<Uint8Array> {
  let at = 0;
  for await (const bytes of log) {
    const head = bytes.subarray(0, Math.max(0, halfBytes - at));
    const tail = bytes.subarray(Math.max(0, halfBytes + left - at));
    if (head.length > 0) yield head;
    if (at < halfBytes + left && at + bytes.length >= halfBytes + left) yield mark;
    if (tail.length > 0) yield tail;
    at += bytes.length;
  }
}

/**
 * From where a reader goes on who has had so much of the whole log. One who was beyond the cut gets all that stands behind
 * it: some of it twice, and nothing never.
 */
export function resumedAt(from: number, keptBytes: number): number {
  return keptBytes > limits.keptLogBytes ? Math.min(from, halfBytes) : from;
}
