/** One process of a benchmarked grid: started, ready, asked, stopped. It ends with the process that started it. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type ProcessUse, useOf } from './process-meter.ts';

export interface BenchProcessOptions {
  readonly name: string;
  readonly file: URL;
  readonly args?: readonly string[];
  readonly execArgv?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

interface Answer {
  readonly kind: string;
}

export class BenchProcess {
  private readonly child: ChildProcess;
  private readonly died: Promise<never>;
  private stopping = false;

  constructor({ name, file, args = [], execArgv = [], env = {} }: BenchProcessOptions) {
    this.child = fork(fileURLToPath(file), args, {
      execArgv: [...execArgv],
      env: { ...process.env, ...env },
      // Our stdout is for rows alone.
      stdio: ['ignore', 2, 2, 'ipc'],
    });
    this.died = new Promise((_, reject) => {
      this.child.once('error', reject);
      this.child.once('exit', (code, signal) => {
        if (!this.stopping) reject(new Error(`the ${name} process ended by itself: ${signal ?? code}`));
      });
    });
    // Who waits for an answer hears of it; when nobody does, who asks next will.
    this.died.catch(() => undefined);
  }

  use(): ProcessUse {
    return useOf(this.child.pid as number);
  }

  /** The first message of one of these kinds. Rejects when the process ends instead. */
  async hear<A extends Answer>(...kinds: readonly A['kind'][]): Promise<A> {
    for (;;) {
      const [answer] = (await Promise.race([once(this.child, 'message'), this.died])) as [A];
      if (kinds.includes(answer.kind)) return answer;
    }
  }

  ask<A extends Answer>(question: unknown, ...kinds: readonly A['kind'][]): Promise<A> {
    const answered = this.hear<A>(...kinds);
    this.child.send(question as object);
    return answered;
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.stopping = true;
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, 'exit');
    this.child.kill(signal);
    await ended;
  }
}
