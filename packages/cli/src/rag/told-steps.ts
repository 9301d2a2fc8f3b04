/** What a question to a collection is at, on stderr: that a model is not ready, once of each, and what is read. */
import type { AskStep } from '@gryphgen/client';
import { WaitingLine } from '../models/waiting-line.ts';
import type { Terminal } from '../terminal.ts';

export class ToldSteps {
  private readonly terminal: Terminal;
  private readonly waiting = new Map<string, WaitingLine>();

  constructor(terminal: Terminal) {
    this.terminal = terminal;
  }

  tell(step: AskStep): void {
    const { terminal, waiting } = this;
    if (step.kind === 'waiting') {
      const line =
        waiting.get(step.model) ?? new WaitingLine(terminal, `waiting until ${step.model} is ready`);
      waiting.set(step.model, line);
      line.begin();
      return;
    }
    this.end();
    const { model, passages } = step;
    const words = `${model} reads ${passages} ${passages === 1 ? 'passage' : 'passages'} …`;
    terminal.err(`${terminal.style.dim(words)}\n`);
  }

  end(): void {
    for (const line of this.waiting.values()) line.end();
  }
}
