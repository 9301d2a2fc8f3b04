/**
 * A slot that is lent, and whose server who asked asks straight (E42): the attempt keeps it for them, and answers nothing.
 *
 * 1. It is called back when its loan is to end, and ends when it is given back, or when who had it is gone: their connections to the server
 *    end with them. What is under way when it is called back may end before.
 * 2. Who has not given back what was called back says that they go on; who says nothing for `quietMs` has it no longer. Whose server is no
 *    longer there has nothing to go on with.
 * 3. Of what is told of the answers no more is believed than the server has counted meanwhile, and can be.
 * 4. It waits for no server: one that computes long steps tells late, and what it tells then is known to the next.
 */
import type { InferResult } from '@gryphgen/protocol';
import {
  type Alarms,
  type Clock,
  type LentWriter,
  type OverReason,
  pause,
  type TakenSlot,
} from '@gryphgen/runtime';
import type { LocalInstance } from './local-instances.ts';
import { lookAt, readCounters, type ServerCounters } from './server-counters.ts';

/** Five words of who goes on. */
const quietMs = 10_000;
const answerMs = 150;
const lateMs = 10_000;
/** Of one loan: some thousands a second. */
const mostQuestions = 100_000;
/** Of a question that is lent to: twice its bytes. */
const mostPrompt = 128 * 1024;
/** Nothing writes a million tokens a second. */
const leastTokenMs = 0.001;

export interface TakenOptions {
  readonly instance: LocalInstance;
  readonly lent: Pick<LentWriter, 'give' | 'callBack'>;
  readonly clock: Clock;
  readonly alarms: Alarms;
  /** Its loan is to end; its reason is an OverReason. */
  readonly ending: AbortSignal;
  /** Its attempt is, and with it the loan. */
  readonly signal: AbortSignal;
}

/** Resolves when it is back, with the sums of what was answered, as far as they were told. `refused`: it was not given. */
export async function keepTaken(options: TakenOptions): Promise<InferResult | undefined | 'refused'> {
  const { instance, lent, clock, alarms, ending, signal } = options;
  // Older ones bound what is believed the less.
  const before = (await look(instance, alarms, ending)) ?? instance.counters;
  if (ending.aborted || instance.gone.aborted) return 'refused';
  // One that does not say what is under way could not be told from one that hangs.
  if (before?.requests === undefined) {
    instance.refuseTaking();
    return 'refused';
  }
  const back = instance.take();
  const beganMono = clock.mono();
  try {
    // Those who have it now need the server's threads for theirs.
    instance.kept.closeIdle();
    const taken = lent.give();
    await untilBack(taken, options);
    if (taken.told === undefined || signal.aborted) return taken.told && withoutTokens(taken.told);
    const heldMs = clock.mono() - beganMono;
    const after = await look(instance, alarms, signal);
    return after === undefined ? withoutTokens(taken.told) : believed(taken.told, { before, after, heldMs });
  } finally {
    back();
  }
}

/** Undefined: not in time. One look at a time: each takes one of the server's threads. */
async function look(
  instance: LocalInstance,
  alarms: Alarms,
  signal: AbortSignal,
): Promise<ServerCounters | undefined> {
  let counters: ServerCounters | undefined;
  const enough = new AbortController();
  instance.looking ??= lookLong(instance, alarms);
  void instance.looking.then((found) => {
    counters = found;
    enough.abort();
  });
  await pause(alarms, answerMs, AbortSignal.any([signal, enough.signal]));
  return counters;
}

/** Never rejects. */
async function lookLong(instance: LocalInstance, alarms: Alarms): Promise<ServerCounters | undefined> {
  const { door, gone } = instance;
  const text = await lookAt(door, { path: '/metrics', limitMs: lateMs, alarms, signal: gone });
  const counters = readCounters(text ?? '');
  instance.counters = counters ?? instance.counters;
  instance.looking = undefined;
  return counters;
}

async function untilBack(
  taken: TakenSlot,
  { instance, lent, alarms, ending, signal }: TakenOptions,
): Promise<void> {
  const over = new AbortController();
  let cancelQuiet = (): void => undefined;
  const awaitWord = (last: InferResult | undefined): void => {
    // Each word is one of its own.
    cancelQuiet = alarms.after(quietMs, () => (taken.told === last ? end() : awaitWord(taken.told)));
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
    awaitWord(taken.told);
  };
  const isOver = new Promise<void>((resolve) => {
    over.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  ending.addEventListener('abort', callBack, { once: true });
  signal.addEventListener('abort', end, { once: true });
  instance.gone.addEventListener('abort', end, { once: true });
  if (ending.aborted) callBack();
  try {
    await Promise.race([taken.back, isOver]);
  } finally {
    ending.removeEventListener('abort', callBack);
    signal.removeEventListener('abort', end);
    instance.gone.removeEventListener('abort', end);
    over.abort();
    cancelQuiet();
  }
}

function withoutTokens({ tokens: _, promptMs: __, outputMs: ___, ...rest }: InferResult): InferResult {
  return bounded(rest);
}

interface Meanwhile {
  readonly before: ServerCounters;
  readonly after: ServerCounters;
  readonly heldMs: number;
}

function believed(told: InferResult, { before, after, heldMs }: Meanwhile): InferResult {
  const { tokens, promptMs, outputMs, ...rest } = bounded(told);
  if (tokens === undefined) return rest;
  const cached = Math.min(tokens.cached, tokens.prompt, (rest.questions ?? 0) * mostPrompt);
  const computed = atMost(tokens.prompt - cached, before.prompt, after.prompt);
  const output = atMost(tokens.output, before.output, after.output);
  const isSpeed =
    outputMs !== undefined &&
    output === tokens.output &&
    outputMs >= output * leastTokenMs &&
    outputMs <= heldMs;
  const isRead = promptMs !== undefined && computed === tokens.prompt - cached && promptMs <= heldMs;
  const times = { ...(isRead && { promptMs }), ...(isSpeed && { outputMs }) };
  return { ...rest, tokens: { prompt: cached + computed, cached, output }, ...times };
}

function atMost(told: number, before: number | undefined, after: number | undefined): number {
  return before === undefined || after === undefined ? 0 : Math.min(told, Math.max(0, after - before));
}

function bounded(told: InferResult): InferResult {
  return { ...told, questions: Math.min(told.questions ?? 0, mostQuestions) };
}
