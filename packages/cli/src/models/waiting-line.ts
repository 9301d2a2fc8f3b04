/** Says once on stderr that an answer waits for its model, where that takes longer than a moment. */
import type { Terminal } from '../terminal.ts';

/** A model that is ready answers sooner. */
const momentMs = 800;

export class WaitingLine {
  private readonly terminal: Terminal;
  private readonly words: string;
  private timer: NodeJS.Timeout | undefined;
  private told = false;

  constructor(terminal: Terminal, words: string) {
    this.terminal = terminal;
    this.words = words;
  }

  begin(): void {
    if (this.told || this.timer !== undefined) return;
    this.timer = setTimeout(() => {
      this.told = true;
      this.terminal.err(`${this.terminal.style.dim(this.words)}\n`);
    }, momentMs);
  }

  /** There is nothing to wait for any more. */
  end(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.told = true;
  }
}
