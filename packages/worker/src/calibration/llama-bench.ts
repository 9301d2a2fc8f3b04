/**
 * llama.cpp's own measure of a model, `llama-bench`, which comes with llama-server: how many tokens of a prompt it takes, and how
 * many it writes one after the other.
 *
 * 1. No shell, at the lowest priority, bounded in time and size; killed when it is aborted.
 */
import { execFile } from 'node:child_process';
import { realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import type { Environment } from '../engines/engine-environment.ts';
import { findProgram } from '../executors/find-program.ts';

/** With its loading. What is slower is not worth more of the machine's time. */
const limitMs = 90_000;
const maxAnswerBytes = 1024 * 1024;
const promptTokens = 128;
const writtenTokens = 16;
/** Each after one that warms it up. */
const rounds = 2;
const shownChars = 200;

const line = z.object({ n_prompt: z.number(), n_gen: z.number(), avg_ts: z.number().positive() });

export interface BenchOrder {
  readonly program: string;
  readonly model: string;
  /** As llama.cpp names it; 'none' for the host alone. */
  readonly device: string;
  readonly threads: number;
  readonly env: Environment;
}

/** Tokens a second. */
export interface Benched {
  readonly prompt: number;
  readonly written: number;
}

/** Undefined where there is none beside that llama-server. */
export async function benchBeside(server: string): Promise<string | undefined> {
  for (const path of [server, await realpath(server).catch(() => server)]) {
    const found = await findProgram(join(dirname(path), 'llama-bench'), '', '/');
    if ('path' in found) return found.path;
  }
  return undefined;
}

/** Or why there is nothing, in words. */
export function runBench(order: BenchOrder, signal: AbortSignal): Promise<Benched | string> {
  const { program, model, device, threads, env } = order;
  const args = [
    ...['-n', '19', program, '-m', model, '-p', String(promptTokens), '-n', String(writtenTokens)],
    ...['-r', String(rounds), '-t', String(threads), '--poll', '0', '-o', 'jsonl'],
    ...['-dev', device, '-ngl', device === 'none' ? '0' : '99'],
  ];
  const options = {
    ...{ env, cwd: '/', signal, timeout: limitMs, maxBuffer: maxAnswerBytes },
    killSignal: 'SIGKILL',
  } as const;
  return new Promise((resolve) => {
    execFile('nice', args, options, (error, text, stderr) => {
      if (error === null) resolve(benchedIn(text) ?? `it printed ${shown(text)}`);
      else if (signal.aborted) resolve('it was broken off');
      else if (error.killed) resolve(`it was not done within ${limitMs / 1000} s`);
      else resolve(shown(stderr || error.message));
    });
  });
}

/** A line of JSON for each of the two. */
export function benchedIn(text: string): Benched | undefined {
  let prompt = 0;
  let written = 0;
  for (const each of text.split('\n')) {
    const read = line.safeParse(parsed(each));
    if (!read.success) continue;
    if (read.data.n_gen > 0) written = read.data.avg_ts;
    else prompt = read.data.avg_ts;
  }
  return prompt > 0 && written > 0 ? { prompt, written } : undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Its end says why. */
function shown(text: string): string {
  return (
    text
      .replace(/[^ -~]+/g, ' ')
      .trim()
      .slice(-shownChars) || 'nothing'
  );
}
