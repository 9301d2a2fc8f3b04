/**
 * A question to a model, and the ephemeral task that it becomes. Questions come in runs that differ in what is asked
 * alone, so what they have in common is checked once, and its envelope encoded once.
 */
import { encodeBody, limits, type ModelPath, type ModelUse } from '@gryphgen/protocol';
import { hereMark } from '@gryphgen/runtime';
import { type EncodedTask, prepareBody, prepareTask } from '../prepare.ts';
import { askedOf } from './asked.ts';
import { holdBytes } from './held-pieces.ts';

/** What a task's body holds of a request, less what stands around it; the rest goes by the channel. */
const inlineBytes = limits.bodyBytes - 1024;
/** Room for a large model to be loaded. */
const defaultQueueMs = 10 * 60_000;
const defaultTimeoutMs = 60 * 60_000;
/** Some 300 B each: more models and keys than one session asks by at a time. */
const keptEnvelopes = 64;

export interface Question {
  readonly kind: ModelUse;
  readonly model: string;
  readonly path: ModelPath;
  /** The JSON that the model's server takes. */
  readonly request: Uint8Array;
  readonly priority?: number;
  readonly name?: string;
  /** For whom it is asked: those for whom one principal asks take turns. */
  readonly party?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Longest wait for a model that is ready, and longest answer. */
  readonly queueTimeoutMs?: number;
  readonly timeoutMs?: number;
}

export class QuestionEncoder {
  private readonly channel: string;
  private readonly here: { readonly door?: string };
  private readonly envelopes = new Map<string, Uint8Array>();

  constructor(channel: string) {
    this.channel = channel;
    const mark = hereMark();
    this.here = mark === undefined ? {} : { door: mark };
  }

  /**
   * `prefix`: by which a worker is chosen; empty where there is nothing to choose. `loan`: its slot is to be lent, and may be taken (E41, E42). Throws
   * GridError `rejected.invalid`.
   */
  encode(question: Question, prefix: readonly string[], loan = false): EncodedTask {
    const { path, request, ...about } = question;
    const body = {
      ...{ path, channel: this.channel, holdBytes },
      ...(request.length > inlineBytes ? { requestBytes: request.length } : { request }),
      ...(loan && { loan, ...this.here }),
    };
    if (prefix.length > 0)
      return prepareTask({ ...aboutTask(about, loan), prefix, asks: askedOf(request), body });
    const name = JSON.stringify({ ...about, path, loan });
    const envelopeBytes = this.envelopes.get(name);
    if (envelopeBytes !== undefined) {
      // Of a request that the body holds nothing is left to check; of one that goes by the channel its length is.
      const isHeld = request instanceof Uint8Array && request.length <= inlineBytes;
      return { envelopeBytes, bodyBytes: isHeld ? encodeBody(body) : prepareBody(about.kind, body).bytes };
    }
    const task = prepareTask({ ...aboutTask(about, loan), body });
    if (this.envelopes.size >= keptEnvelopes) this.envelopes.clear();
    this.envelopes.set(name, task.envelopeBytes);
    return task;
  }
}

function aboutTask(
  { queueTimeoutMs, timeoutMs, ...rest }: Omit<Question, 'path' | 'request'>,
  loan: boolean,
) {
  return {
    ...rest,
    // It lasts for as long as more is asked, and tells nothing of how long one answer takes.
    ...(loan && { loan, taskClass: `loan ${rest.kind} ${rest.model}` }),
    durable: false,
    attended: true,
    resources: { cpuMilli: 0, memoryBytes: 0, diskBytes: 0 },
    retries: { limit: 1, backoffMs: 100 },
    queueTimeoutMs: queueTimeoutMs ?? defaultQueueMs,
    timeoutMs: timeoutMs ?? defaultTimeoutMs,
  } as const;
}
