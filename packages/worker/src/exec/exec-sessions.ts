/**
 * The commands that people run beside attempts here: bounded, and told of in the log with who runs them. What a command
 * is, and what is typed, is nobody's business but theirs: it is not logged.
 */
import { type ExecOrder, failure } from '@gryphgen/protocol';
import type { Duplex, ExecRequest, Log, TransferEnd } from '@gryphgen/runtime';

const maxPerAttempt = 8;
/** Each holds a connection to the engine and up to a window of bytes in each direction. */
const maxSessions = 64;

/** Runs a command beside an attempt; undefined where that attempt does not run. */
export type Enter = (
  attempt: Pick<ExecRequest, 'task' | 'attempt'>,
  id: string,
  order: ExecOrder,
  signal: AbortSignal,
) => Promise<Duplex | TransferEnd> | undefined;

export class ExecSessions {
  private readonly enter: Enter;
  private readonly log: Log;
  /** By id of the session, the attempt it is in. */
  private readonly attempts = new Map<string, string>();

  constructor(enter: Enter, log: Log) {
    this.enter = enter;
    this.log = log;
  }

  async open(request: ExecRequest, signal: AbortSignal): Promise<Duplex | TransferEnd> {
    const { task, attempt, id, order, principal } = request;
    const name = `t${task}.${attempt}`;
    const inAttempt = [...this.attempts.values()].filter((other) => other === name).length;
    if (inAttempt >= maxPerAttempt) return refused(`${maxPerAttempt} commands run beside ${name} already`);
    if (this.attempts.size >= maxSessions)
      return refused(`${maxSessions} commands run beside the tasks of this worker already`);
    this.attempts.set(id, name);
    const opened = await this.begin(request, signal, name);
    if (!('ended' in opened)) {
      this.attempts.delete(id);
      return opened;
    }
    const about = { attempt: name, principal, user: order.user, terminal: order.tty !== null };
    this.log.info(about, 'a command was begun beside a task');
    void opened.ended.then(({ exitCode = null, failure: why }) => {
      this.attempts.delete(id);
      const level = why?.code === 'lost.link' || why?.code === 'lost.worker' ? 'warn' : 'info';
      this.log[level]({ ...about, exitCode, why: why?.message }, 'a command beside a task has ended');
    });
    return opened;
  }

  private async begin(
    { task, attempt, id, order }: ExecRequest,
    signal: AbortSignal,
    name: string,
  ): Promise<Duplex | TransferEnd> {
    const entered = this.enter({ task, attempt }, id, order, signal);
    return (
      (await entered) ?? {
        failure: failure('rejected.state', `${name} does not run on this worker in a container`),
      }
    );
  }
}

function refused(words: string): TransferEnd {
  return { failure: failure('rejected.limit', words) };
}
