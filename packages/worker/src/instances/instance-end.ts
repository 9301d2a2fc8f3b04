/** What the end of an instance's server is to the broker. */
import { constants } from 'node:os';
import { type Failure, failure } from '@gryphgen/protocol';
import type { Exit } from '../core/events.ts';
import type { OutputTail } from './output-tail.ts';

interface Ended {
  readonly tail: OutputTail;
  readonly wasReady: boolean;
  /** Why we end it. */
  readonly condemned: Failure | null;
}

export function endOf({ condemned, tail, wasReady }: Ended, exit: Exit): Exit {
  if (condemned !== null) return { ...exit, failure: condemned, stopped: false };
  if (exit.stopped || exit.failure !== null) return exit;
  const how = `llama-server ${howEnded(exit)}`;
  if (!wasReady) return { ...exit, failure: tail.failure(`${how} before it was ready`, false) };
  const { code, message } = tail.failure(how, true);
  if (code === 'execution.oom') return { ...exit, failure: failure(code, message) };
  // Of a signal from outside it says nothing itself.
  const words = exit.exitCode === killed || exit.exitCode === ended ? how : message;
  return { ...exit, failure: failure('execution.exit', words) };
}

const killed = 128 + constants.signals.SIGKILL;
const ended = 128 + constants.signals.SIGTERM;

/** A shell's code is 128 and the signal's number. */
function howEnded({ exitCode }: Exit): string {
  if (exitCode > 128) return `was ended by signal ${exitCode - 128}`;
  return exitCode === 0 ? 'ended by itself' : `ended with exit code ${exitCode}`;
}
