/**
 * A conversation, line by line.
 *
 * 1. A turn that failed, or was stopped, is not of the conversation: the next one is asked as if it had not been.
 * 2. Where a person types, a mistake is told and the next line awaited; in a pipe it ends the conversation.
 */
import type { Interface } from 'node:readline';
import { askChat, type ChatMessage, type Inference, readChat } from '@gryphgen/client';
import { GridError } from '@gryphgen/protocol';
import { printable } from '../printable.ts';
import { printJsonLine, type Terminal } from '../terminal.ts';
import { shownWords } from './shown-words.ts';
import { WaitingLine } from './waiting-line.ts';

export interface ChatSettings {
  readonly model: string;
  readonly system?: string;
  readonly maxTokens?: number;
  /** Each answer as one line of JSON. */
  readonly json: boolean;
}

export class ChatLoop {
  private readonly terminal: Terminal;
  private readonly inference: Inference;
  private readonly lines: Interface;
  private readonly settings: ChatSettings;
  private history: ChatMessage[] = [];
  private answering: AbortController | undefined;

  constructor(terminal: Terminal, inference: Inference, lines: Interface, settings: ChatSettings) {
    this.terminal = terminal;
    this.inference = inference;
    this.lines = lines;
    this.settings = settings;
    this.reset();
  }

  /** Until the input ends, or says so. */
  async run(): Promise<number> {
    const { lines, terminal } = this;
    if (lines.terminal)
      terminal.err(`${terminal.style.dim(`${this.settings.model}: /reset forgets, /exit ends`)}\n`);
    lines.on('SIGINT', () => {
      if (this.answering !== undefined) {
        this.answering.abort();
        return;
      }
      terminal.err('\n("/exit" or Ctrl-D ends)\n');
      lines.prompt();
    });
    // In a pipe nobody types: there Ctrl-C ends all, as ever.
    const turns: string[] = [];
    let [closed, wake] = [false, () => {}];
    lines.on('line', (line) => {
      turns.push(line);
      wake();
    });
    lines.on('close', () => {
      closed = true;
      // Of a pipe the last line may still be answered.
      if (lines.terminal) this.answering?.abort();
      wake();
    });
    this.prompt();
    for (;;) {
      const turn = turns.shift();
      if (turn === undefined) {
        if (closed) return 0;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      if (turn.trim() === '/exit') return 0;
      if (turn.trim() === '/reset') this.reset();
      else if (turn.trim() !== '') await this.turn(turn);
      this.prompt();
    }
  }

  private async turn(content: string): Promise<void> {
    const { terminal, settings, history } = this;
    const { model, maxTokens, json } = settings;
    const messages = [...history, { role: 'user' as const, content }];
    const stop = new AbortController();
    this.answering = stop;
    const waiting = new WaitingLine(terminal, `waiting until ${model} is ready`);
    try {
      const question = { model, messages, ...(maxTokens !== undefined && { maxTokens }) };
      const options = { signal: stop.signal, onWaiting: () => waiting.begin() };
      const answer = askChat(this.inference, question, options);
      const { text, reason, task, result } = await readChat(answer, model, async (words) => {
        waiting.end();
        if (!json) await terminal.outBytes(Buffer.from(shownWords(words, terminal)));
      });
      if (json)
        printJsonLine(terminal, {
          role: 'assistant',
          text,
          reason,
          task,
          ...(result.tokens && { tokens: result.tokens }),
        });
      else terminal.out('\n');
      this.history = [...messages, { role: 'assistant', content: text }];
    } catch (error) {
      if (!stop.signal.aborted && !(this.lines.terminal && error instanceof GridError)) throw error;
      const words = error instanceof GridError && !stop.signal.aborted ? error.message : 'stopped';
      terminal.err(`\n${terminal.style.dim(printable(words))}\n`);
    } finally {
      waiting.end();
      this.answering = undefined;
    }
  }

  private reset(): void {
    const { system } = this.settings;
    this.history = system === undefined ? [] : [{ role: 'system', content: system }];
  }

  private prompt(): void {
    if (!this.lines.terminal) return;
    this.lines.setPrompt('> ');
    this.lines.prompt();
  }
}
