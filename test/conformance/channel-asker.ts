/** Who asks, at the end of a channel: a real data endpoint, and a connection to it. */

import { failure, type InferResult, type WorkerId } from '@gryphgen/protocol';
import {
  type AnswerChannels,
  type AnswerRecord,
  createIdentity,
  DataServer,
  type QuestionOutlet,
  readAnswers,
  signGrant,
  systemAlarms,
  systemClock,
} from '@gryphgen/runtime';
import type { Fence } from '@gryphgen/worker';

const grid = 'g-0123456789abcdef';
const worker = 'w-0123456789abcdef' as WorkerId;

export class ChannelAsker {
  readonly channel = 'c'.repeat(22);
  readonly records: AnswerRecord[] = [];
  private readonly broker = createIdentity();
  private readonly keys = createIdentity();
  private readonly server: DataServer;
  private readonly leaving = new AbortController();
  private reading: Promise<unknown> = Promise.resolve();
  private outlet: QuestionOutlet | undefined;
  private waiting: (() => void)[] = [];

  constructor(channels: AnswerChannels) {
    this.server = new DataServer({
      ...{ endpoints: ['tcp://127.0.0.1:*'], curve: this.keys.curve, grid, worker },
      ...{ clock: systemClock, alarms: systemAlarms, answers: channels.serve },
      brokerKey: () => this.broker.key,
      brokerWall: systemClock.wall,
      open: () => failure('rejected.not-found', 'no logs here'),
    });
  }

  /** Resolves when the channel is open. */
  async open(principal: string): Promise<void> {
    const [endpoint = ''] = await this.server.start();
    const expiresAt = Date.now() + 60_000;
    const grant = signGrant(this.broker, { grid, op: 'answers', id: 'a', worker, principal, expiresAt });
    await new Promise<void>((resolve) => {
      const onOpen = (outlet: QuestionOutlet): void => {
        this.outlet = outlet;
        resolve();
      };
      this.reading = readAnswers({
        ...{ endpoint, dataKey: this.keys.curve.publicKey, alarms: systemAlarms, grant, onOpen },
        ...{ channel: this.channel, signal: this.leaving.signal },
        onRecord: (record) => {
          this.records.push(record);
          for (const wake of this.waiting.splice(0)) wake();
        },
      });
    });
  }

  async until(is: (records: readonly AnswerRecord[]) => boolean): Promise<void> {
    while (!is(this.records)) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  /** Of one attempt, in the order in which they came. */
  kindsOf({ task }: Fence): readonly AnswerRecord['kind'][] {
    return this.records.filter((record) => record.task === task).map(({ kind }) => kind);
  }

  /** A question to a slot that is lent, once it waits for its nth. */
  async askSlot({ task, attempt }: Fence, request: object, nth: number): Promise<void> {
    const fence = { task, attempt };
    await this.until(
      () => this.kindsOf({ ...fence, epoch: 0 as never }).filter((kind) => kind === 'want').length >= nth,
    );
    this.outlet?.tell({ ...fence, kind: 'ask', bytes: Buffer.from(JSON.stringify(request)) });
  }

  tellSlot(
    { task, attempt }: Fence,
    word:
      | { readonly kind: 'leave' }
      | { readonly kind: 'over'; readonly why: 'back' }
      | { readonly kind: 'take'; readonly proof: string }
      | { readonly kind: 'done'; readonly result: InferResult },
  ): void {
    this.outlet?.tell({ task, attempt, ...word });
  }

  /** The whole of one answer. */
  async answer(fence: Fence): Promise<{ status: number; contentType: string; text: string }> {
    const its = () => this.records.filter(({ task }) => task === fence.task);
    await this.until(() => its().some(({ kind }) => kind === 'end'));
    const head = its().find((record) => record.kind === 'head');
    const bytes = its().flatMap((record) => (record.kind === 'data' ? [record.bytes] : []));
    return {
      status: head?.status ?? 0,
      contentType: head?.contentType ?? '',
      text: Buffer.concat(bytes).toString(),
    };
  }

  /** The connection ends; it can be called again. */
  async leave(): Promise<void> {
    this.leaving.abort();
    await this.reading;
  }

  async close(): Promise<void> {
    await this.leave();
    await this.server.stop();
  }
}
