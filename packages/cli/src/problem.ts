/** Why a command cannot be done as it was given: what a person reads, and the exit code. */
import { exitCodeOf, type Failure, GridError } from '@gryphgen/protocol';
import { bugExit, usageExit } from './exit-codes.ts';
import { printable } from './printable.ts';
import { systemFailure } from './system-error.ts';
import { printJson, type Terminal } from './terminal.ts';

/** Bad flags, bad files: exit 2. Each line is one problem, with its place where it has one. */
export class UsageError extends Error {
  readonly lines: readonly string[];

  constructor(...lines: readonly string[]) {
    super(lines.join('\n'));
    this.name = 'UsageError';
    this.lines = lines;
  }
}

/** Ends the command with this code; everything has been said. */
export class Exit extends Error {
  readonly code: number;

  constructor(code: number) {
    super(`exit ${code}`);
    this.name = 'Exit';
    this.code = code;
  }
}

/** Tells of the error and returns the exit code. With `json`, stdout gets `{"failure": {"code", "message"}}`. */
export function report(terminal: Terminal, error: unknown, json: boolean): number {
  if (error instanceof Exit) return error.code;
  const { failure, code, lines } = describe(error);
  if (json) printJson(terminal, { failure });
  for (const line of lines) {
    const text = line.split('\n').map(printable).join('\n  ');
    terminal.err(`${terminal.style.red('grid:')} ${text}\n`);
  }
  return code;
}

function describe(error: unknown): {
  readonly failure: Failure;
  readonly code: number;
  readonly lines: readonly string[];
} {
  if (error instanceof UsageError) {
    const failure: Failure = { code: 'rejected.invalid', message: error.message };
    return { failure, code: usageExit, lines: error.lines };
  }
  const failure = error instanceof GridError ? error.failure : systemFailure(error);
  if (failure !== undefined)
    return { failure, code: exitCodeOf(failure.code), lines: [`${failure.message} (${failure.code})`] };
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const message = error instanceof Error ? error.message : String(error);
  return {
    failure: { code: 'internal.bug', message },
    code: bugExit,
    lines: [`this is a bug in grid: ${stack}`],
  };
}
