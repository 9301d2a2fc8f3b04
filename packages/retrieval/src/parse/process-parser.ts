/**
 * Parses in a process of its own: whatever a document does to that, the service goes on.
 *
 * 1. Every document is parsed or refused with the cause, in bounded time and memory; the process is begun with the first one,
 *    and anew after one that ended it.
 * 2. It is given no environment: there is nothing of the service's in it.
 * 3. Without work for a while it is let go, with the memory it has.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { ParsedDocument, PartedDocument } from './parse-document.ts';
import type { ParseAnswer, ParseRequest } from './parse-process.ts';

export interface ProcessLimits {
  readonly documentMs: number;
  /** Of JavaScript's own memory. */
  readonly heapMb: number;
  /** Of all that the process has. */
  readonly residentMb: number;
}

const processLimits: ProcessLimits = { documentMs: 60_000, heapMb: 512, residentMb: 1024 };
/** Until it is taken for hung, beside what a document may take. */
const graceMs = 10_000;
const idleMs = 30_000;

export class ProcessParser {
  private readonly limits: ProcessLimits;
  private child: ChildProcess | undefined;
  private turn: Promise<unknown> = Promise.resolve();
  private idle: NodeJS.Timeout | undefined;

  constructor(limits: Partial<ProcessLimits> = {}) {
    this.limits = { ...processLimits, ...limits };
  }

  async parse(path: string, bytes: Uint8Array): Promise<ParsedDocument> {
    return (await this.read({ as: 'parse', path, bytes })) as ParsedDocument;
  }

  async part(path: string, bytes: Uint8Array): Promise<PartedDocument> {
    return (await this.read({ as: 'part', path, bytes })) as PartedDocument;
  }

  /** What is being parsed is parsed to its end. */
  close(): Promise<void> {
    const closed = this.turn.then(async () => {
      clearTimeout(this.idle);
      await ended(this.child);
      this.child = undefined;
    });
    this.turn = closed;
    return closed;
  }

  private read(request: ParseRequest): Promise<ParseAnswer['parsed']> {
    const read = this.turn.then(() => this.answer(request));
    this.turn = read.catch(() => undefined);
    return read;
  }

  private async answer(request: ParseRequest): Promise<ParseAnswer['parsed']> {
    clearTimeout(this.idle);
    this.child ??= this.begun();
    const { child } = this;
    const deadline = setTimeout(() => child.kill('SIGKILL'), this.limits.documentMs + graceMs);
    try {
      const { parsed, isLast } = await answered(child, request);
      if (isLast) this.child = undefined;
      return parsed;
    } finally {
      clearTimeout(deadline);
      this.idle = setTimeout(() => void this.close(), idleMs).unref();
    }
  }

  private begun(): ChildProcess {
    const file = fileURLToPath(new URL('./parse-process.js', import.meta.url));
    const { documentMs, heapMb, residentMb } = this.limits;
    const child = fork(file, [documentMs, heapMb, residentMb].map(String), {
      env: {},
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    child.once('exit', () => {
      if (this.child === child) this.child = undefined;
    });
    // Neither it nor its channel keeps the service alive.
    child.unref();
    child.channel?.unref();
    return child;
  }
}

/** What it says, or that it ended before it said anything. */
function answered(child: ChildProcess, request: ParseRequest): Promise<ParseAnswer> {
  return new Promise((resolve) => {
    const settle = (answer: ParseAnswer): void => {
      child.off('message', settle);
      child.off('exit', exited);
      child.off('error', failed);
      child.channel?.unref();
      resolve(answer);
    };
    const exited = (code: number | null, signal: string | null): void =>
      settle(refused(`it ended the process that reads (${signal ?? `exit ${code}`})`));
    // Where there is a process, it cannot be written to: it ends, or has ended. How, its exit says.
    const failed = (error: Error): void => {
      if (child.pid === undefined)
        settle(refused(`the process that reads cannot be begun: ${error.message}`));
      else child.kill('SIGKILL');
    };
    child.on('message', settle);
    child.on('exit', exited);
    child.on('error', failed);
    child.channel?.ref();
    child.send(request);
  });
}

function refused(reason: string): ParseAnswer {
  return { parsed: { kind: 'refused', reason }, isLast: true };
}

async function ended(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.ref();
  child.kill('SIGKILL');
  await gone;
}
