/** The thread in which a policy is judged: a replay of some thousand tasks takes seconds, and holds up nothing. */
import { setPriority } from 'node:os';
import type { PastTask } from '@gryphgen/protocol';
import { serve } from '@gryphgen/runtime/thread-calls';
import { historyOf, type Judgement, judgePolicy } from '@gryphgen/scheduler';
import type { JudgedOrder } from '../core/placing/policy-orders.ts';
import { JournalError } from '../journal/journal.ts';

/** As the fold's (journal/fold-thread.ts). */
const niceness = 10;

if (process.platform === 'linux') setPriority(0, niceness);

const operations = {
  judge: ({ order, past }: { readonly order: JudgedOrder; readonly past: readonly PastTask[] }): Judgement =>
    judgePolicy(historyOf(past, order.machines), order.inForce, order.parts, order),
};

export type JudgeThread = typeof operations;

serve(operations, JournalError);
