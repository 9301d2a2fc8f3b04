/** Lines on stderr that are drawn over and over while something lasts; where no person looks, only their last state. */
import { widthOf } from '../render/table.ts';
import type { Terminal } from '../terminal.ts';

/** Faster than a person reads. */
const drawMs = 100;

export class ProgressLines {
  private readonly terminal: Terminal;
  private readonly lines: () => readonly string[];
  private readonly timer: NodeJS.Timeout | undefined;
  private drawn = 0;

  constructor(terminal: Terminal, lines: () => readonly string[]) {
    this.terminal = terminal;
    this.lines = lines;
    if (terminal.progressColumns !== null) this.timer = setInterval(() => this.draw(), drawMs);
  }

  /** They stay as they are now. */
  end(): void {
    clearInterval(this.timer);
    this.draw();
  }

  /** They are of no interest any more. */
  wipe(): void {
    clearInterval(this.timer);
    if (this.drawn > 0) this.terminal.err(`${up(this.drawn)}${clearBelow}`);
    this.drawn = 0;
  }

  private draw(): void {
    const columns = this.terminal.progressColumns;
    const lines = this.lines();
    if (columns === null) {
      for (const line of lines) this.terminal.err(`${line}\n`);
      return;
    }
    const back = this.drawn === 0 ? '' : `${up(this.drawn)}${clearBelow}`;
    this.drawn = lines.length;
    this.terminal.err(`${back}${lines.map((line) => `${shortened(line, columns - 1)}\n`).join('')}`);
  }
}

const csi = '\u001b[';
const clearBelow = `${csi}J`;

function up(lines: number): string {
  return `${csi}${lines}A`;
}

/** A line that wraps would be two to go back. */
function shortened(line: string, columns: number): string {
  let text = line;
  while (widthOf(text) > columns) text = [...text].slice(0, -1).join('');
  return text;
}
