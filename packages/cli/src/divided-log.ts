/**
 * A task's log has its output, and now and then a line of the grid's own: `[gryphgen: pulling busybox:latest]`. Who reads
 * the output on stdout wants the output alone: lines that begin so go to stderr.
 */
const marker = Buffer.from('[gryphgen: ');
const newline = 0x0a;

export interface LogPart {
  readonly isOutput: boolean;
  readonly bytes: Uint8Array;
}

/** The same bytes in the same order, divided; what may yet turn out to be the marker waits for more. */
export async function* dividedLog(log: AsyncIterable<Uint8Array>): AsyncGenerator<LogPart, void> {
  const division = new LogDivision();
  for await (const bytes of log) yield* division.take(bytes);
  yield* division.rest();
}

class LogDivision {
  /** Of the line under way; undefined at the start of one. */
  private isOutput: boolean | undefined;
  private held = Buffer.alloc(0);

  *take(chunk: Uint8Array): Generator<LogPart, void> {
    const bytes = this.held.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.held, chunk]);
    this.held = Buffer.alloc(0);
    let from = 0;
    let partIsOutput = this.isOutput ?? true;
    for (let at = 0; at < bytes.length; ) {
      if (this.isOutput === undefined) {
        const head = bytes.subarray(at, at + marker.length);
        const fits = head.equals(marker.subarray(0, head.length));
        if (fits && head.length < marker.length) {
          this.held = Buffer.from(head);
          break;
        }
        this.isOutput = !fits;
        if (this.isOutput !== partIsOutput) {
          if (at > from) yield { isOutput: partIsOutput, bytes: bytes.subarray(from, at) };
          from = at;
          partIsOutput = this.isOutput;
        }
      }
      const end = bytes.indexOf(newline, at);
      at = end === -1 ? bytes.length : end + 1;
      if (end !== -1) this.isOutput = undefined;
    }
    const to = bytes.length - this.held.length;
    if (to > from) yield { isOutput: partIsOutput, bytes: bytes.subarray(from, to) };
  }

  *rest(): Generator<LogPart, void> {
    if (this.held.length > 0) yield { isOutput: true, bytes: this.held };
  }
}
