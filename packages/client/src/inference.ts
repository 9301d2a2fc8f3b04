/**
 * Questions to models, and their answers as they come: each is an ephemeral task whose bytes come straight from the worker
 * that answers (E33). One Inference serves many at a time over one connection to each worker.
 *
 * 1. A question goes to whichever worker has the model ready; where none has, the grid loads it, and the question waits.
 * 2. An attempt that is lost before its first byte is begun again elsewhere, unseen; after it the answer ends with an error.
 * 3. Who asks often has slots lent (E41, `lends`), and is answered there with no word of the broker's for each; on the model's machine by
 *    its server itself (E42).
 * 4. Errors are GridError, in `body`, `head` and `result` alike. What a model's server refuses is no error: it is an answer with its status.
 */
import { randomBytes } from 'node:crypto';
import {
  type Changed,
  failure,
  type ModelDocument,
  type PlaceGrantDocument,
  type RequestArgs,
  type TaskDocument,
  type TaskId,
} from '@gryphgen/protocol';
import {
  type Alarms,
  type AnswerRecord,
  type Cancel,
  type Clock,
  pause,
  placesBehind,
  prefixesOf,
  readAnswers,
  systemAlarms,
  systemClock,
  type UselessPlaces,
} from '@gryphgen/runtime';
import type { SubmitOptions, Submitted } from './calls.ts';
import { AnswerLine } from './inference/answer-line.ts';
import type { LentSlot } from './inference/lent-slot.ts';
import { LentSlots } from './inference/lent-slots.ts';
import { ModelHosts } from './inference/model-hosts.ts';
import { type Answer, type AnswerProgress, OpenAnswer } from './inference/open-answer.ts';
import { type Question, QuestionEncoder } from './inference/question.ts';
import type { Way, Wished } from './inference/wish.ts';
import type { EncodedTask } from './prepare.ts';

const channelBytes = 24;
/** Records of tasks of which the broker's answer is still under way; more comes from nobody who means well. */
const maxEarly = 4096;
/** For the cancelling of what is given up to reach the broker, and its word of that. */
const goodbyeMs = 2000;
/** From the task's end until its last byte. */
const lastWordsMs = 10_000;

export interface AskOptions {
  /** Gives the answer up. */
  readonly signal?: AbortSignal;
  readonly onChange?: (progress: AnswerProgress) => void;
}

/** What of a `Client` it needs. */
export interface InferenceAsker {
  /** By which it talks to the broker now. */
  readonly brokerEndpoint: string;
  /** Workers that could not be connected to. */
  readonly unreached: UselessPlaces;
  submit(task: EncodedTask, options: SubmitOptions): Submitted;
  request(op: 'answers', args: RequestArgs<'answers'>, signal?: AbortSignal): Promise<PlaceGrantDocument>;
  request(op: 'models', args: RequestArgs<'models'>): Promise<readonly ModelDocument[]>;
  request(op: 'show', args: RequestArgs<'show'>): Promise<TaskDocument>;
  request(op: 'cancel', args: RequestArgs<'cancel'>): Promise<unknown>;
}

interface InferenceDeps {
  readonly alarms?: Alarms;
  readonly clock?: Clock;
  /** Whether slots may be lent here, for one who asks again and again. */
  readonly lends?: boolean;
  readonly read?: typeof readAnswers;
}

interface Asked {
  readonly task: TaskId;
  /** Its answer; or the slot that it lends, which has that. */
  readonly taker: OpenAnswer | LentSlot;
  /** Its attempt's worker. */
  line: AnswerLine | undefined;
  cancelLastWords: Cancel;
}

export class Inference {
  private readonly asker: InferenceAsker;
  private readonly alarms: Alarms;
  private readonly read: typeof readAnswers;
  private readonly channel = randomBytes(channelBytes).toString('base64url');
  private readonly encoder = new QuestionEncoder(this.channel);
  private readonly lines = new Map<string, AnswerLine>();
  private readonly hosts = new ModelHosts();
  private readonly slots: LentSlots | undefined;
  private readonly open = new Set<OpenAnswer>();
  private readonly asked = new Map<TaskId, Asked>();
  private readonly ending = new Set<Promise<void>>();
  /** Tasks that have not ended, those of answers that were given up too. */
  private readonly unfinished = new Set<Promise<unknown>>();
  /** Submissions that were not answered yet, and what came of tasks that may be theirs. */
  private submitting = 0;
  private early: { readonly worker: string; readonly record: AnswerRecord }[] = [];

  constructor(asker: InferenceAsker, deps: InferenceDeps = {}) {
    const { alarms = systemAlarms, clock = systemClock, read = readAnswers, lends = false } = deps;
    this.asker = asker;
    this.slots = lends ? new LentSlots({ alarms, clock, channel: this.channel }) : undefined;
    this.alarms = alarms;
    this.read = read;
  }

  /** Throws GridError `rejected.invalid` where the question makes no sense. */
  ask(question: Question, { signal, onChange }: AskOptions = {}): Answer {
    let way: Way | undefined;
    /** Of what is under way to its worker. */
    let stop: AbortController | undefined;
    const owner: ConstructorParameters<typeof OpenAnswer>[0] = {
      cancel: () => {
        stop?.abort();
        way?.cancel();
      },
      over: () => {
        signal?.removeEventListener('abort', giveUp);
        this.open.delete(answer);
        way?.over();
      },
      wanted: (record) => {
        stop ??= new AbortController();
        void this.asked.get(record.task)?.line?.send(record, question.request, stop.signal);
      },
      wantsMore: (fence) => this.asked.get(fence.task)?.line?.tell({ kind: 'want', ...fence }),
      lookUp: (task) => void this.lookUp(task, answer),
    };
    const answer = new OpenAnswer(owner, this.alarms);
    const giveUp = (): void => answer.fail(failure('cancelled.user', 'the answer was given up'));
    const submit: Wished['submit'] = (slot) => this.submit(question, answer, slot, onChange);
    // Where there are several to choose from, the broker does for each.
    const slots = this.hosts.areSeveral(question.model) ? undefined : this.slots;
    way = slots?.ask({ question, answer, submit }) ?? submit();
    this.open.add(answer);
    if (signal?.aborted) giveUp();
    else signal?.addEventListener('abort', giveUp, { once: true });
    return answer;
  }

  /** As a task, whose slot is to be lent where one is given. */
  private submit(
    question: Question,
    answer: OpenAnswer,
    slot: LentSlot | undefined,
    onChange: AskOptions['onChange'],
  ): ReturnType<Wished['submit']> {
    const taker = slot ?? answer;
    // Where there is nothing to choose, nothing is told of the prompt.
    const { model, request } = question;
    const prefix = this.hosts.areSeveral(model) ? prefixesOf(request) : [];
    const encoded = this.encoder.encode(question, prefix, slot !== undefined);
    let asked: Asked | undefined;
    let hasEnded = false;
    const known = (task: TaskId): Asked => {
      asked ??= this.begin(task, taker);
      return asked;
    };
    this.submitting += 1;
    const changed = ({ task, state, attempt, worker, workerName = '' }: Changed): void => {
      if (taker.isOver) return;
      if (worker !== '') {
        this.hosts.note(model, worker);
        this.at(known(task), worker, attempt);
      }
      if (!answer.isOver) onChange?.({ state, attempt, worker, workerName });
    };
    const { accepted, finished } = this.asker.submit(encoded, { onChange: changed });
    accepted.then(
      (task) => {
        answer.accepted.resolve(task);
        if (!taker.isOver) known(task);
        this.settled(task);
      },
      (error: unknown) => {
        this.settled(undefined);
        taker.failWith(error);
      },
    );
    const ended = finished.then(
      (outcome) => {
        hasEnded = true;
        taker.finished(outcome);
        if (!taker.isOver) this.awaitLastWords(outcome.task, taker);
      },
      (error: unknown) => taker.failWith(error),
    );
    this.unfinished.add(ended);
    void ended.finally(() => this.unfinished.delete(ended));
    const line = {
      tell: (record: Parameters<AnswerLine['tell']>[0]) => asked?.line?.tell(record),
      // A refusal leaves the task as it is; its end is told in any case.
      cancel: () => void accepted.then((task) => hasEnded || this.cancel(task)).catch(ignore),
      over: () => {
        if (asked !== undefined) this.forget(asked);
      },
    };
    return { line, cancel: line.cancel, over: slot === undefined ? line.over : ignore };
  }

  /** All that the grid has. */
  models(): Promise<readonly ModelDocument[]> {
    return this.asker.request('models', {});
  }

  /** Opens connections to the workers that have models ready (`model`: that one), so that the first answer need not wait. */
  async warm(model?: string): Promise<void> {
    for (const { name, instances } of await this.models())
      for (const { state, worker } of instances)
        if (state === 'ready' && (model === undefined || model === name)) this.line(worker);
  }

  /** What is still being answered is given up; resolves when its tasks have ended, as far as the broker says so soon. Idempotent. */
  async close(): Promise<void> {
    for (const answer of [...this.open]) answer.fail(failure('cancelled.user', 'no more is asked here'));
    this.slots?.close();
    for (const line of [...this.lines.values()]) line.close();
    await Promise.all(this.ending);
    const heard = new AbortController();
    void Promise.all(this.unfinished).then(() => heard.abort());
    await pause(this.alarms, goodbyeMs, heard.signal);
  }

  private cancel(task: TaskId): Promise<unknown> {
    return this.asker.request('cancel', { task });
  }

  /** What came of it before is its own from now on. */
  private begin(task: TaskId, taker: Asked['taker']): Asked {
    const asked: Asked = { task, taker, line: undefined, cancelLastWords: ignore };
    this.asked.set(task, asked);
    for (const { worker, record } of this.early) if (record.task === task) taker.arrived(worker, record);
    return asked;
  }

  private forget(asked: Asked): void {
    this.asked.delete(asked.task);
    asked.cancelLastWords();
    asked.line?.leave(asked.taker);
  }

  private at(asked: Asked, worker: string, attempt: number): void {
    const line = this.line(worker);
    if (attempt > 1) line.renew();
    if (asked.line !== line) asked.line?.leave(asked.taker);
    asked.line = line;
    line.use(asked.taker);
    asked.taker.placed(attempt, worker);
  }

  private line(worker: string): AnswerLine {
    const found = this.lines.get(worker);
    if (found !== undefined) return found;
    const line: AnswerLine = new AnswerLine({
      channel: this.channel,
      alarms: this.alarms,
      read: this.read,
      ask: async (signal) => {
        const { relay, ...place } = await this.asker.request('answers', { node: worker }, signal);
        const { brokerEndpoint, unreached } = this.asker;
        return { ...place, unreached, orElse: placesBehind(relay, brokerEndpoint) };
      },
      onRecord: (record) => this.arrived(worker, record),
      onClosed: () => {
        if (this.lines.get(worker) === line) this.lines.delete(worker);
      },
    });
    this.lines.set(worker, line);
    const ending = line.ended.finally(() => this.ending.delete(ending));
    this.ending.add(ending);
    return line;
  }

  private arrived(worker: string, record: AnswerRecord): void {
    const asked = this.asked.get(record.task);
    if (asked !== undefined) asked.taker.arrived(worker, record);
    else if (this.submitting > 0) {
      this.early.push({ worker, record });
      // Whatever is dropped, an answer would lack it.
      if (this.early.length > maxEarly) this.lines.get(worker)?.close();
    }
  }

  private settled(task: TaskId | undefined): void {
    this.submitting -= 1;
    if (this.early.length === 0) return;
    this.early = this.submitting === 0 ? [] : this.early.filter(({ record }) => record.task !== task);
  }

  /** It ended before the broker said where it was. */
  private async lookUp(task: TaskId, answer: OpenAnswer): Promise<void> {
    try {
      const { worker, attempts } = await this.asker.request('show', { task });
      const asked = this.asked.get(task);
      if (asked !== undefined) this.at(asked, worker, attempts);
    } catch (error) {
      answer.failWith(error);
    }
  }

  private awaitLastWords(task: TaskId, taker: Asked['taker']): void {
    const asked = this.asked.get(task);
    if (asked === undefined) return;
    asked.cancelLastWords = this.alarms.after(lastWordsMs, () =>
      taker.fail(failure('lost.link', `the end of the answer did not come in ${lastWordsMs / 1000} s`)),
    );
  }
}

function ignore(): void {}
