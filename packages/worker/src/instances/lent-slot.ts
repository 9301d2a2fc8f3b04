/**
 * A slot that is lent (E41): the attempt whose question is answered stays, and answers what else who asked asks by its channel,
 * one after the other, with no word of the broker's.
 *
 * 1. It ends by itself when it has lasted for `limits.loanMs`, when others wait for its slot, when it is given back, when who asked is
 *    gone, when it is told to end, and with the first question that its instance did not answer: never before the answer that is under
 *    way is whole.
 * 2. What was answered before counts in any case: its end is a success, with the sums of all.
 * 3. Who asked may take it, and ask its server straight (E42, taken-slot.ts).
 */
import { type Failure, type InferResult, limits } from '@gryphgen/protocol';
import {
  type Alarms,
  AnswerSum,
  type AnswerWriter,
  type Clock,
  type DoorLoan,
  isShown,
  type LentWriter,
  type OverReason,
  offerDoor,
} from '@gryphgen/runtime';
import type { LocalInstance } from './local-instances.ts';
import { keepTaken } from './taken-slot.ts';

type Next = Exclude<Awaited<ReturnType<LentWriter['next']>>, OverReason>;
type LentQuestion = Extract<Next, { readonly request: Uint8Array }>;

/** Which instance who asked may ask straight (E42), should they be on this machine. */
export interface OfferedDoor {
  readonly instance: LocalInstance;
  readonly loan: DoorLoan;
}

interface LentOptions {
  readonly writer: Pick<AnswerWriter, 'lend'>;
  readonly clock: Clock;
  readonly alarms: Alarms;
  /** When its slot was taken. */
  readonly beganMono: number;
  /** It is to end. */
  readonly signal: AbortSignal;
  readonly recalled: AbortSignal;
  readonly offered: OfferedDoor | undefined;
  readonly answer: (question: LentQuestion) => Promise<InferResult | Failure>;
}

/** `first`: how the question that it came with was answered. */
export async function answerLent(first: InferResult, options: LentOptions): Promise<InferResult> {
  const { writer, clock, alarms, beganMono, signal, recalled, offered, answer } = options;
  const ending = new AbortController();
  const cancelTime = alarms.after(limits.loanMs - (clock.mono() - beganMono), () => ending.abort('time'));
  const stop = (): void => ending.abort('time');
  const giveUp = (): void => ending.abort('recalled');
  signal.addEventListener('abort', stop, { once: true });
  recalled.addEventListener('abort', giveUp, { once: true });
  if (recalled.aborted) giveUp();
  if (signal.aborted) stop();
  const sum = new AnswerSum();
  sum.add(first);
  const lent = writer.lend();
  try {
    lent.done(first);
    if (offered !== undefined) lent.offer(offerDoor(offered.instance.door, offered.loan));
    for (;;) {
      // The alarm of a time that is over comes a turn later, behind a word that it waits.
      if (clock.mono() - beganMono >= limits.loanMs) stop();
      const next = await lent.next(ending.signal);
      if (typeof next === 'string') {
        lent.over(next);
        break;
      }
      if ('proof' in next) {
        const { instance, loan } = offered ?? {};
        const isTheirs =
          instance !== undefined && loan !== undefined && isShown(instance.door, loan, next.proof);
        if (!isTheirs) continue;
        const told = await keepTaken({ instance, lent, clock, alarms, ending: ending.signal, signal });
        if (told === 'refused') continue;
        if (told !== undefined) sum.add(told);
        lent.over('back');
        break;
      }
      const how = await answer(next);
      lent.done(how);
      if (!('code' in how)) sum.add(how);
      else if (!next.left.aborted) ending.abort('time');
    }
  } finally {
    cancelTime();
    signal.removeEventListener('abort', stop);
    recalled.removeEventListener('abort', giveUp);
  }
  const { status, firstMs } = first;
  return sum.with({ status, firstMs, restMs: clock.mono() - beganMono - firstMs });
}
