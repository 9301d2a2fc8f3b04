/**
 * Frames that wait for one connection, from several that share it: each has its own line, and the lines take turns.
 *
 * 1. A line holds `lineBytes`: what was granted to a sender that keeps to it, with its small words.
 */

/** Twice what may be under way to one receiver (data-wire.ts). */
const lineBytes = 2 * 1024 * 1024;
/** What a frame costs beside its bytes. */
const frameBytes = 512;

interface Line {
  readonly frames: Uint8Array[];
  bytes: number;
}

export class FairQueue {
  private readonly lines = new Map<string, Line>();

  /** False: there is no room for it. `isLast`: there always is. */
  put(name: string, frame: Uint8Array, isLast = false): boolean {
    const line = this.lines.get(name) ?? { frames: [], bytes: 0 };
    if (!isLast && line.bytes + frame.length + frameBytes > lineBytes) return false;
    this.lines.set(name, line);
    line.frames.push(frame);
    line.bytes += frame.length + frameBytes;
    return true;
  }

  /** The next frame, and whose it is; its line goes behind the others. */
  take(): { readonly name: string; readonly frame: Uint8Array } | undefined {
    const [first] = this.lines;
    if (first === undefined) return undefined;
    const [name, line] = first;
    this.lines.delete(name);
    const frame = line.frames.shift();
    if (frame === undefined) return undefined;
    line.bytes -= frame.length + frameBytes;
    if (line.frames.length > 0) this.lines.set(name, line);
    return { name, frame };
  }

  drop(name: string): void {
    this.lines.delete(name);
  }

  clear(): void {
    this.lines.clear();
  }
}
