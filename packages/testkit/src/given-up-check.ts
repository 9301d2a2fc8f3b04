/**
 * Whether the broker had cause to take an attempt from its worker (E9, E11–E13): only a hello that does not list it, an
 * order to remove the worker, or silence it was itself watching; and of course the worker's own word.
 */
import type { BrokerEvent, Task } from '@gryphgen/broker';
import { defaultTimers, type FailureCode, formatTaskId } from '@gryphgen/protocol';
import type { WatchedTime } from './watched-time.ts';

export interface GivenUp {
  readonly task: Task;
  readonly attempt: number;
  readonly code: FailureCode;
}

/** Clocks of broker and simulation differ by their drift. */
const slackMs = 50;

export function checkGivenUp(
  event: BrokerEvent,
  { task, attempt, code }: GivenUp,
  watched: WatchedTime,
): string | undefined {
  const name = `${formatTaskId(task.id)}.${attempt}`;
  if (event.kind === 'message' && event.message.kind === 'result') {
    const { message } = event;
    if (message.task === task.id && message.attempt === attempt) return undefined;
    return `${name} was ended by a result of ${formatTaskId(message.task)}.${message.attempt}`;
  }
  switch (code) {
    case 'lost.worker': {
      const removal = event.kind === 'keyRevoked';
      const hello = event.kind === 'sessionOpened' && event.worker !== null;
      return removal || hello ? undefined : `${name} was declared lost by ${nameOf(event)}`;
    }
    case 'lost.link': {
      const worker = lastWorker(task, attempt);
      const silence = worker === undefined ? 0 : watched.silenceMs(worker);
      const bound = defaultTimers.leaseMs + defaultTimers.graceMs;
      if (task.spec.envelope.onLinkLost === 'wait' && !task.cancelRequested)
        return `${name} waits for its worker, and was taken from it for silence`;
      if (event.kind !== 'tick') return `${name} was declared cut off by ${nameOf(event)}`;
      if (worker === undefined || silence + slackMs >= bound) return undefined;
      return `${name} was taken from ${worker} after ${Math.round(silence)} ms of watched silence`;
    }
    default:
      return `${name} ended as ${code} by ${nameOf(event)}`;
  }
}

const lastWorkers = new WeakMap<Task, { attempt: number; worker: string }>();

/** Remembers who holds the task, since a task given up no longer says. */
export function noteHolder(task: Task): void {
  if (task.lease !== null) lastWorkers.set(task, { attempt: task.attempt, worker: task.lease.worker });
}

function lastWorker(task: Task, attempt: number): string | undefined {
  const last = lastWorkers.get(task);
  return last?.attempt === attempt ? last.worker : undefined;
}

function nameOf(event: BrokerEvent): string {
  return event.kind === 'message' ? `a ${event.message.kind}` : `event ${event.kind}`;
}
