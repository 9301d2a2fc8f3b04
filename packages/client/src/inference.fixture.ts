/** For tests of questions to models: real data endpoints of workers; the broker is played. */
import {
  type AttemptNo,
  type Changed,
  decodeBody,
  decodeEnvelope,
  type Envelope,
  encodeBody,
  type Failure,
  failure,
  formatTaskId,
  GridError,
  type InferBody,
  inferBodySchema,
  type ModelDocument,
  type PlaceGrantDocument,
  type TaskDocument,
  type TaskId,
} from '@gryphgen/protocol';
import {
  AnswerChannels,
  type AnswerWriter,
  createIdentity,
  DataServer,
  signGrant,
  systemAlarms,
  systemClock,
  UselessPlaces,
} from '@gryphgen/runtime';
import { afterEach } from 'vitest';
import type { SubmitOptions, Submitted } from './calls.ts';
import type { Question } from './inference/question.ts';
import { Inference, type InferenceAsker } from './inference.ts';
import { type Deferred, deferred, type Outcome } from './pending.ts';
import type { EncodedTask } from './prepare.ts';

const grid = 'g-0123456789abcdef';
const principal = 'p-1';
const broker = createIdentity();

const undos: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const undo of undos.splice(0).reverse()) await undo();
});

/** A worker of which only the data endpoint is there: a test answers. */
export class PlayedWorker {
  readonly id: string;
  /** It writes on, whatever is taken. */
  isOlder = false;
  private readonly identity = createIdentity();
  private channels = new AnswerChannels({ alarms: systemAlarms });
  private server: DataServer | undefined;
  endpoint = '';

  private constructor(id: string) {
    this.id = id;
  }

  static async start(id: string): Promise<PlayedWorker> {
    const worker = new PlayedWorker(id);
    await worker.begin();
    undos.push(() => worker.stop());
    return worker;
  }

  get dataKey(): string {
    return this.identity.curve.publicKey;
  }

  get streams(): number {
    return this.server?.counters.streams ?? 0;
  }

  answer({ task, body }: PlayedTask, attempt = 1): AnswerWriter {
    const fence = { task, attempt: attempt as AttemptNo };
    const holdBytes = this.isOlder ? undefined : body.holdBytes;
    return this.channels.open(body.channel ?? '', principal, fence, holdBytes);
  }

  /** And comes back as another life of it, at another port: that of the former may not be free yet. */
  async restart(): Promise<void> {
    await this.stop();
    await this.begin();
  }

  /** Who asks may do so no more (E27). */
  revoke(): void {
    this.server?.revoke([principal]);
  }

  async stop(): Promise<void> {
    await this.server?.stop();
    this.server = undefined;
    this.channels.close();
  }

  private async begin(): Promise<void> {
    this.channels = new AnswerChannels({ alarms: systemAlarms });
    this.server = new DataServer({
      ...{ endpoints: ['tcp://127.0.0.1:*'], curve: this.identity.curve, grid, worker: this.id },
      ...{
        brokerKey: () => broker.key,
        brokerWall: systemClock.wall,
        clock: systemClock,
        alarms: systemAlarms,
      },
      open: () => failure('rejected.not-found', 'no logs here'),
      answers: this.channels.serve,
    });
    [this.endpoint = ''] = await this.server.start();
  }
}

export interface PlayedTask {
  readonly task: TaskId;
  readonly envelope: Envelope;
  readonly body: InferBody;
}

interface Owed extends PlayedTask {
  readonly accepted: Deferred<TaskId>;
  readonly finished: Deferred<Outcome>;
  readonly onChange: SubmitOptions['onChange'];
  at: Pick<Changed, 'attempt' | 'worker'>;
}

/** The broker, as far as questions go: a test places and ends. */
export class PlayedBroker implements InferenceAsker {
  readonly brokerEndpoint = 'ipc:///broker.sock';
  readonly unreached = new UselessPlaces(systemClock);
  readonly cancelled = new Set<TaskId>();
  readonly workers = new Map<string, PlayedWorker>();
  /** Why grants are refused. */
  refusal: Failure | undefined;
  /** What is cancelled goes on until the test ends it. */
  endsLate = false;
  models: readonly ModelDocument[] = [];
  private readonly tasks = new Map<TaskId, Owed>();
  private readonly waiting: ((task: PlayedTask) => void)[] = [];
  private readonly come: PlayedTask[] = [];
  private onCancelled: () => void = () => undefined;
  /** Questions for grants that were refused because the worker is away. */
  private aways = 0;
  private onAway: () => void = () => undefined;

  submit({ envelopeBytes, bodyBytes }: EncodedTask, { onChange }: SubmitOptions): Submitted {
    const envelope = decodeEnvelope(envelopeBytes);
    const body = decodeBody(bodyBytes);
    if (!envelope.ok || !body.ok) throw new Error('a task that makes no sense');
    const task = (this.tasks.size + 1) as TaskId;
    const [accepted, finished] = [deferred<TaskId>(), deferred<Outcome>()];
    const asked = { task, envelope: envelope.value, body: inferBodySchema.parse(body.value) };
    const at = { attempt: 0 as AttemptNo, worker: '' };
    this.tasks.set(task, { ...asked, accepted, finished, onChange, at });
    this.come.push(asked);
    this.waiting.shift()?.(asked);
    return { accepted: accepted.promise, finished: finished.promise };
  }

  request(op: 'answers', args: { readonly node: string }): Promise<PlaceGrantDocument>;
  request(op: 'models', args: object): Promise<readonly ModelDocument[]>;
  request(op: 'show', args: { readonly task: TaskId }): Promise<TaskDocument>;
  request(op: 'cancel', args: { readonly task: TaskId }): Promise<unknown>;
  async request(
    op: 'answers' | 'models' | 'show' | 'cancel',
    args: { readonly node?: string; readonly task?: TaskId },
  ): Promise<unknown> {
    if (op === 'models') return this.models;
    if (op === 'show') {
      const { attempt: attempts, worker } = this.owed(args.task as TaskId).at;
      return { attempts, worker };
    }
    if (op === 'cancel') return this.cancel(this.owed(args.task as TaskId));
    if (this.refusal !== undefined) throw new GridError(this.refusal);
    const worker = this.workers.get(args.node ?? '');
    if (worker === undefined) {
      this.aways += 1;
      this.onAway();
      throw new GridError(failure('lost.worker', 'not connected now'));
    }
    const expiresAt = Date.now() + 60_000;
    const grant = signGrant(broker, { grid, op: 'answers', worker: worker.id, principal, expiresAt });
    return { endpoint: worker.endpoint, dataKey: worker.dataKey, grant };
  }

  async worker(id: string): Promise<PlayedWorker> {
    const worker = await PlayedWorker.start(id);
    this.workers.set(id, worker);
    return worker;
  }

  /** The question that was asked nth, from 1. */
  async asked(nth: number): Promise<PlayedTask> {
    while (this.come.length < nth) await new Promise<PlayedTask>((resolve) => this.waiting.push(resolve));
    return this.come[nth - 1] as PlayedTask;
  }

  accept({ task }: PlayedTask): void {
    this.owed(task).accepted.resolve(task);
  }

  place({ task }: PlayedTask, worker: PlayedWorker | '', attempt = 1): void {
    const owed = this.owed(task);
    owed.at = { attempt: attempt as AttemptNo, worker: worker === '' ? '' : worker.id };
    this.tell(owed);
  }

  /** `told`: whether whoever watches hears where it was. */
  begin(task: PlayedTask, worker: PlayedWorker): void {
    this.accept(task);
    this.place(task, worker);
  }

  end({ task }: PlayedTask, why: Failure | null = null, result: object = counts): void {
    const owed = this.owed(task);
    const bytes = encodeBody({ result: new TextEncoder().encode(JSON.stringify(result)) });
    owed.finished.resolve({
      ...{ id: formatTaskId(task), task, state: why === null ? 'succeeded' : 'failed', exitCode: 0 },
      ...{ attempts: owed.at.attempt, failure: why, result: why === null ? bytes : new Uint8Array() },
    });
  }

  /** It was placed and has ended before anybody was told where. */
  placeSilently({ task }: PlayedTask, worker: PlayedWorker): void {
    this.owed(task).at = { attempt: 1 as AttemptNo, worker: worker.id };
  }

  async untilCancelled({ task }: PlayedTask): Promise<void> {
    while (!this.cancelled.has(task))
      await new Promise<void>((resolve) => {
        this.onCancelled = resolve;
      });
  }

  async untilAway(times: number): Promise<void> {
    while (this.aways < times)
      await new Promise<void>((resolve) => {
        this.onAway = resolve;
      });
  }

  private tell({ task, at, onChange }: Owed): void {
    const state = at.worker === '' ? 'waiting' : 'leased';
    onChange?.({ kind: 'changed', task, state, ...at });
  }

  private cancel(owed: Owed): void {
    this.cancelled.add(owed.task);
    if (!this.endsLate) this.end(owed, failure('cancelled.user', 'it was cancelled'));
    this.onCancelled();
  }

  private owed(task: TaskId): Owed {
    const owed = this.tasks.get(task);
    if (owed === undefined) throw new Error(`no task ${task}`);
    return owed;
  }
}

export const counts = {
  status: 200,
  tokens: { prompt: 3, cached: 0, output: 5 },
  firstMs: 1,
  restMs: 2,
} as const;

export function inferenceOf(
  asker: PlayedBroker,
  deps?: ConstructorParameters<typeof Inference>[1],
): Inference {
  const inference = new Inference(asker, deps);
  undos.push(() => inference.close());
  return inference;
}

export function question(changes: Partial<Question> = {}): Question {
  const request = new TextEncoder().encode('{"messages":[]}');
  return { kind: 'infer', model: 'tiny', path: '/v1/chat/completions', request, ...changes };
}

export async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  let text = '';
  for await (const bytes of body) text += Buffer.from(bytes).toString();
  return text;
}
