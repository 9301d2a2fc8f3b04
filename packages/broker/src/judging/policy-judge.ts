/**
 * Judges a policy that somebody wants to put in force, by this broker's own record of what ran: what a client says of it is not
 * believed (E31).
 *
 * 1. One at a time, by the last `mostTasks` tasks that ended well, in a thread that ends with it or after `mostMs`. Who gives the same order
 *    while it is judged is told what comes of that.
 */
import { isDeepStrictEqual } from 'node:util';
import { failure, GridError, type PastTask } from '@gryphgen/protocol';
import type { Alarms } from '@gryphgen/runtime';
import { ThreadCalls } from '@gryphgen/runtime/thread-calls';
import type { Judgement } from '@gryphgen/scheduler';
import type { JudgedOrder } from '../core/placing/policy-orders.ts';
import { pastTasks } from '../ended-answers.ts';
import { type Journal, JournalError } from '../journal/journal.ts';
import type { JudgeThread } from './judge-thread.ts';

/** As many as `grid evolve --replay` goes by. */
const mostTasks = 3000;
/** Read at a time: the loop reads them. */
const pageTasks = 200;
/** Two replays take seconds; on a slow machine that is busy some minutes. */
const mostMs = 10 * 60_000;
const memoryMb = 1024;

interface Judging {
  readonly order: JudgedOrder;
  readonly found: Promise<Judgement>;
}

export class PolicyJudge {
  private readonly journal: Pick<Journal, 'history'>;
  private readonly alarms: Alarms;
  private under: Judging | undefined;
  private thread: ThreadCalls<JudgeThread> | undefined;
  private stopped = false;

  constructor(journal: Pick<Journal, 'history'>, alarms: Alarms) {
    this.journal = journal;
    this.alarms = alarms;
  }

  /** Rejects with GridError while another order is judged, or when this one could not be. */
  judge(order: JudgedOrder): Promise<Judgement> {
    const { under } = this;
    if (under !== undefined && isSame(under.order, order)) return under.found;
    if (under !== undefined)
      return Promise.reject(refused('another policy is being judged now; try again in a minute'));
    const found = this.run(order).finally(() => {
      this.under = undefined;
    });
    this.under = { order, found };
    return found;
  }

  /** Who waits for a judgement is told that it was ended. */
  async stop(): Promise<void> {
    this.stopped = true;
    await this.thread?.end();
  }

  private async run(order: JudgedOrder): Promise<Judgement> {
    const past = await this.newest();
    if (this.stopped) throw refused('the broker is stopping');
    const thread = new ThreadCalls<JudgeThread>(
      new URL('./judge-thread.js', import.meta.url),
      'judge',
      JournalError,
      { maxOldGenerationSizeMb: memoryMb },
    );
    this.thread = thread;
    let isLate = false;
    const cancel = this.alarms.after(mostMs, () => {
      isLate = true;
      void thread.end();
    });
    try {
      return await thread.call('judge', { order, past });
    } catch (error) {
      throw isLate ? refused(`it could not be judged within ${mostMs / 60_000} minutes`) : error;
    } finally {
      cancel();
      await thread.end();
    }
  }

  private async newest(): Promise<readonly PastTask[]> {
    const found: PastTask[] = [];
    for (let before: number | null | undefined; before !== null && found.length < mostTasks; ) {
      const from = before === undefined ? {} : { before };
      const page = await this.journal.history({ limit: pageTasks, state: 'succeeded', ...from });
      found.push(...pastTasks(page).tasks);
      before = page.next;
    }
    return found.slice(0, mostTasks);
  }
}

/** Machines come and go meanwhile. */
function isSame(a: JudgedOrder, b: JudgedOrder): boolean {
  return a.inForce.version === b.inForce.version && isDeepStrictEqual(a.parts, b.parts);
}

function refused(words: string): GridError {
  return new GridError(failure('rejected.state', words));
}
