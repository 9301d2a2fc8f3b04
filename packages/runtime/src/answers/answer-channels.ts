/**
 * The worker's side of answers that go straight to who asked (E33): calls open a channel and write, the data endpoint
 * serves what they write to whoever has the grant.
 *
 * 1. A channel is its principal's: a name that another principal makes up, or finds out, is another channel.
 * 2. There are `maxChannels` at most; a channel is there while somebody writes to it or takes from it.
 */
import { type AttemptNo, type Failure, failure, type TaskId } from '@gryphgen/protocol';
import type { Alarms } from '../clock.ts';
import type { DataStream } from '../data-stream.ts';
import type { TransferEnd } from '../data-wire.ts';
import type { DuplexStream } from '../duplex-stream.ts';
import { AnswerChannel, type AnswerWriter } from './answer-channel.ts';
import type { AnswerFence } from './answer-records.ts';
import { LentSlot } from './lent-slots.ts';
import { lentWriter } from './lent-writer.ts';
import { QuestionRoom } from './question-intake.ts';

/** A gateway has one for each whom it serves, whatever they ask; as many connections as a data endpoint has. */
const maxChannels = 256;

export interface AnswersRequest {
  readonly channel: string;
  /** Who it was granted to. */
  readonly principal: string;
}

/** Sends what there is as it comes; resolves when the connection has ended, or another came for the same. */
export type ServeAnswers = (
  request: AnswersRequest,
  stream: DataStream,
  input: DuplexStream,
) => Promise<TransferEnd>;

export class AnswerChannels {
  private readonly alarms: Alarms;
  private readonly channels = new Map<string, AnswerChannel>();
  private readonly room = new QuestionRoom();
  private closed = false;

  constructor({ alarms }: { readonly alarms: Alarms }) {
    this.alarms = alarms;
  }

  /** Where an attempt of `principal`'s task puts its answer; one whose asker is gone from the first where there is no room. */
  open(channel: string, principal: string, fence: AnswerFence, holdBytes?: number): AnswerWriter {
    const found = this.channel({ channel, principal });
    return found instanceof AnswerChannel ? found.open(fence, holdBytes) : nobody(found);
  }

  readonly serve: ServeAnswers = async (request, stream, input) => {
    const found = this.channel(request);
    return found instanceof AnswerChannel ? await found.serve(stream, input) : { failure: found };
  };

  /** Nothing is written any more. */
  close(): void {
    this.closed = true;
    for (const channel of [...this.channels.values()]) channel.drop(stopped);
  }

  private channel({ channel, principal }: AnswersRequest): AnswerChannel | Failure {
    if (this.closed) return stopped;
    const key = `${principal} ${channel}`;
    const found = this.channels.get(key);
    if (found !== undefined) return found;
    if (this.channels.size >= maxChannels)
      return failure('rejected.limit', `${maxChannels} channels of answers are open at this worker`);
    const made = new AnswerChannel(this.alarms, this.room, () => this.channels.delete(key));
    this.channels.set(key, made);
    return made;
  }
}

function nobody(why: Failure): AnswerWriter {
  return {
    question: async () => why,
    head: () => undefined,
    write: async () => false,
    lend: () => {
      const [fence, slot] = [{ task: 0 as TaskId, attempt: 0 as AttemptNo }, new LentSlot()];
      slot.giveBack();
      const ignore = (): void => undefined;
      return lentWriter({ fence, slot, gone: AbortSignal.abort(why), put: ignore, close: ignore });
    },
    end: async () => undefined,
    gone: AbortSignal.abort(why),
  };
}

const stopped = failure('lost.worker', 'its worker has been stopped');
