/** For tests of answers to a channel: who asks, at the end of a connection to a real data endpoint. */
import type { AttemptNo, Failure, TaskId } from '@gryphgen/protocol';
import { systemAlarms } from '../clock.ts';
import { broker, curve, grid, worker } from '../data-exec.fixture.ts';
import { type Grant, signGrant } from '../grant.ts';
import { afterTest, Seen } from '../scratch.fixture.ts';
import type { AnswerWriter } from './answer-channel.ts';
import type { AnswerRecord } from './answer-records.ts';
import type { QuestionOutlet } from './question-outlet.ts';
import { readAnswers } from './read-answers.ts';

export const channel = 'c'.repeat(22);
export const fenceOf = (task: number) => ({ task: task as TaskId, attempt: 1 as AttemptNo });

export function grantOf(changes: Partial<Grant> = {}): string {
  const about = { worker, principal: 'p-1', expiresAt: Date.now() + 60_000 };
  return signGrant(broker, { grid, op: 'answers', id: 'a', ...about, ...changes });
}

export class ChannelReader {
  readonly records = new Seen<AnswerRecord>();
  readonly opened = new Seen<QuestionOutlet>();
  readonly over: Promise<Failure>;
  private readonly stop = new AbortController();

  constructor(endpoint: string, grant = grantOf(), name = channel) {
    const place = { endpoint, dataKey: curve.publicKey, alarms: systemAlarms };
    const { signal } = this.stop;
    const onRecord = (record: AnswerRecord): void => this.records.add(record);
    this.over = readAnswers({
      ...place,
      grant,
      channel: name,
      signal,
      onOpen: (outlet) => this.opened.add(outlet),
      onRecord,
    });
    afterTest(() => this.stop.abort());
  }

  hangUp(): void {
    this.stop.abort();
  }

  async text(task: number, letters: number): Promise<string> {
    const found = () =>
      this.records.all
        .flatMap((record) => (record.task === task && record.kind === 'data' ? [record.bytes] : []))
        .map((bytes) => Buffer.from(bytes).toString())
        .join('');
    await this.records.until(() => found().length >= letters);
    return found();
  }

  ended(task: number): Promise<void> {
    return this.records.until((all) => all.some((record) => record.task === task && record.kind === 'end'));
  }
}

export const gone = ({ gone: signal }: AnswerWriter): Promise<Failure> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve(signal.reason);
    else signal.addEventListener('abort', () => resolve(signal.reason), { once: true });
  });
