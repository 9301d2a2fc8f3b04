/**
 * How much of each stream of an output was told: where it is told once more from its first byte, only what is new is
 * taken. Line ends are not counted but after the last other byte, because the engine's log loses those of very long lines.
 */
import type { LabelledBytes } from './docker-engine.ts';

const newline = 10;

interface Told {
  /** Without line ends. */
  bytes: number;
  /** Line ends after the last of these. */
  ends: number;
}

export class ToldOutput {
  private readonly streams = new Map<number, Told>();

  add({ stream, bytes }: LabelledBytes): void {
    const told = this.of(stream);
    for (const byte of bytes) {
      if (byte === newline) told.ends += 1;
      else {
        told.bytes += 1;
        told.ends = 0;
      }
    }
  }

  /** What of a part of the output told once more is new. Parts have to come in their order. */
  beyond({ stream, bytes }: LabelledBytes): LabelledBytes {
    const told = this.of(stream);
    let at = 0;
    for (; told.bytes > 0 && at < bytes.length; at += 1) if (bytes[at] !== newline) told.bytes -= 1;
    for (; told.ends > 0 && bytes[at] === newline; at += 1) told.ends -= 1;
    if (at < bytes.length) told.ends = 0;
    return { stream, bytes: bytes.subarray(at) };
  }

  copy(): ToldOutput {
    const copy = new ToldOutput();
    for (const [stream, told] of this.streams) copy.streams.set(stream, { ...told });
    return copy;
  }

  private of(stream: number): Told {
    const told = this.streams.get(stream) ?? { bytes: 0, ends: 0 };
    this.streams.set(stream, told);
    return told;
  }
}
