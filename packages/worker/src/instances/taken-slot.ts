/**
 * A slot that is lent, and whose server who asked asks straight (E42): the attempt keeps it for them, and answers nothing.
 *
 * 1. It is called back when its loan is to end, and ends when it is given back, or when who had it is gone: their connections to the server
 *    end with them. What is under way when it is called back may end before.
 * 2. Who does not give back what was called back has it for no longer than the server is asked anything: it is looked at each `lookMs`.
 * 3. Of what is told of the answers no more is believed than the server has counted meanwhile.
 */
import type { InferResult } from '@gryphgen/protocol';
import type { Alarms, LentWriter, OverReason } from '@gryphgen/runtime';
import type { LocalInstance } from './local-instances.ts';
import { lookAt, readCounters, type ServerCounters } from './server-counters.ts';

/** Seldom: a question holds up its noticing of who has left. */
const lookMs = 5000;
/** It answers between two steps of computing. */
const answerMs = 2000;
/** Of one loan: some thousands a second. */
const mostQuestions = 100_000;

export interface TakenOptions {
  readonly instance: LocalInstance;
  readonly lent: Pick<LentWriter, 'give' | 'callBack'>;
  readonly alarms: Alarms;
  /** Its loan is to end; its reason is an OverReason. */
  readonly ending: AbortSignal;
  /** Its attempt is, and with it the loan. */
  readonly signal: AbortSignal;
}

/** Resolves when it is back, with the sums of what was answered, as far as they were told. `refused`: it was not given. */
export async function keepTaken(options: TakenOptions): Promise<InferResult | undefined | 'refused'> {
  const { instance, lent, alarms, ending, signal } = options;
  const look = async (over: AbortSignal): Promise<ServerCounters | undefined> =>
    readCounters(
      (await lookAt(instance.door, { path: '/metrics', limitMs: answerMs, alarms, signal: over })) ?? '',
    );
  const before = await look(ending);
  // One that does not say what is under way could not be told from one that hangs.
  if (before?.requests === undefined || ending.aborted) return 'refused';
  const back = instance.take();
  try {
    // Those who have it now need the server's threads for theirs.
    instance.kept.closeIdle();
    const taken = lent.give();
    await untilBack(taken.back, look, options);
    if (taken.told === undefined || signal.aborted) return taken.told && withoutTokens(taken.told);
    const after = await look(signal);
    return after === undefined ? withoutTokens(taken.told) : believed(taken.told, before, after);
  } finally {
    back();
  }
}

async function untilBack(
  back: Promise<void>,
  look: (over: AbortSignal) => Promise<ServerCounters | undefined>,
  { instance, lent, alarms, ending, signal }: TakenOptions,
): Promise<void> {
  const over = new AbortController();
  let cancelLook = (): void => undefined;
  const lookLater = (): void => {
    cancelLook = alarms.after(lookMs, () => {
      void look(over.signal).then((counters) => {
        if (over.signal.aborted) return;
        if (counters?.requests === 0 && instance.computing === 0) over.abort();
        else lookLater();
      });
    });
  };
  const end = (): void => {
    if (over.signal.aborted) return;
    lent.callBack('ended');
    over.abort();
  };
  const callBack = (): void => {
    if (signal.aborted) {
      end();
      return;
    }
    lent.callBack(ending.reason as OverReason);
    lookLater();
  };
  const isOver = new Promise<void>((resolve) => {
    over.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  ending.addEventListener('abort', callBack, { once: true });
  signal.addEventListener('abort', end, { once: true });
  if (ending.aborted) callBack();
  try {
    await Promise.race([back, isOver]);
  } finally {
    ending.removeEventListener('abort', callBack);
    signal.removeEventListener('abort', end);
    over.abort();
    cancelLook();
  }
}

function withoutTokens({ tokens: _, outputMs: __, ...rest }: InferResult): InferResult {
  return bounded(rest);
}

function believed(told: InferResult, before: ServerCounters, after: ServerCounters): InferResult {
  const { tokens } = told;
  if (tokens === undefined) return bounded(told);
  const cached = Math.min(tokens.cached, tokens.prompt);
  const computed = atMost(tokens.prompt - cached, before.prompt, after.prompt);
  const output = atMost(tokens.output, before.output, after.output);
  return bounded({ ...told, tokens: { prompt: cached + computed, cached, output } });
}

function atMost(told: number, before: number | undefined, after: number | undefined): number {
  return before === undefined || after === undefined ? 0 : Math.min(told, Math.max(0, after - before));
}

function bounded(told: InferResult): InferResult {
  return { ...told, questions: Math.min(told.questions ?? 0, mostQuestions) };
}
