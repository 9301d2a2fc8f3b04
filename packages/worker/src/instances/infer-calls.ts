/**
 * Answers `infer`, `embed` and `rerank` by asking an instance of their model that is ready here.
 *
 * 1. What is asked and what is answered is passed on as it is. What the server refuses is an answer; that it is not there, or
 *    breaks off, is a failure, which is tried elsewhere.
 * 2. An answer goes to its channel piece by piece, no faster than that takes them (E33); without one it is the result, if
 *    that holds it.
 * 3. Who asked and is gone, and who is told to end, ends the request, which frees its slot.
 * 4. One whose slot is lent answers what else is asked there, behind its own question (E41, lent-slot.ts); only where the broker
 *    knows of it.
 */
import {
  type Failure,
  failure,
  type InferBody,
  type InferResult,
  inferBodySchema,
  type ModelUse,
  modelPaths,
  modelUses,
  type Read,
  readBody,
} from '@gryphgen/protocol';
import {
  type Alarms,
  type AnswerChannels,
  type AnswerWriter,
  askModel,
  type Clock,
  hereMark,
} from '@gryphgen/runtime';
import type { LlamaEngines } from '../engines/llama-engines.ts';
import type { Call, CallOrder } from '../executors/call-executor.ts';
import { resultBytes } from '../executors/call-executor.ts';
import { asksForStream, CollectedAnswer, noStream, tooLong } from './collected-answer.ts';
import { answerLent, type OfferedDoor } from './lent-slot.ts';
import type { LocalInstances } from './local-instances.ts';

const slotEnded = failure('lost.worker', 'the slot was ended in the middle of the answer');

export interface InferCallsOptions {
  readonly engines: LlamaEngines;
  readonly instances: LocalInstances;
  readonly channels: Pick<AnswerChannels, 'open'>;
  readonly clock: Clock;
  readonly alarms: Alarms;
}

export function inferCalls(options: InferCallsOptions): readonly Call<InferBody>[] {
  return modelUses.map((kind) => ({
    kind,
    hasLog: false,
    ready: async () => (await options.engines.look()).length > 0,
    read: (body) => readInfer(kind, body),
    filesOf: () => ({}),
    answer: (order) => answer(kind, order, options),
  }));
}

function readInfer(kind: ModelUse, bytes: Uint8Array): Read<InferBody> {
  const read = readBody(inferBodySchema, bytes);
  if (!read.ok) return read;
  const paths: readonly string[] = modelPaths[kind];
  if (paths.includes(read.value.path)) return read;
  const words = `body.path: ${read.value.path} is not what ${kind} asks, expected ${paths.join(' or ')}`;
  return { ok: false, failure: failure('rejected.invalid', words) };
}

async function answer(
  kind: ModelUse,
  order: CallOrder<InferBody>,
  { instances, channels, clock, alarms }: InferCallsOptions,
): Promise<Uint8Array | Failure> {
  const { body, fence, principal } = order;
  const { channel } = body;
  if (channel === undefined && body.request !== undefined && asksForStream(body.request)) return noStream;
  if (channel !== undefined && principal === undefined)
    return failure('rejected.state', 'an answer goes to nobody: the broker does not tell who asks');
  const writer =
    channel === undefined || principal === undefined
      ? new CollectedAnswer()
      : channels.open(channel, principal, fence, body.holdBytes);
  const beganMono = clock.mono();
  const first = await relay(kind, order, writer, { instances, clock });
  const ended =
    body.loan === undefined || !order.loan || writer instanceof CollectedAnswer || 'code' in first
      ? first
      : await answerLent(first, {
          ...{ writer, clock, alarms, beganMono, signal: order.signal, recalled: order.recalled },
          offered: offeredDoor(kind, order, instances),
          answer: async ({ request, left }) => {
            const signal = AbortSignal.any([order.signal, left]);
            const asked = { ...order, body: { ...body, request }, signal };
            const how = await relay(kind, asked, writer, { instances, clock });
            // What ends the slot's attempt is nothing that whoever asked this has done.
            return 'code' in how && order.signal.aborted && !left.aborted ? slotEnded : how;
          },
        });
  await writer.end('code' in ended ? ended : null);
  if ('code' in ended) return ended;
  const result = writer instanceof CollectedAnswer ? { ...ended, body: writer.text } : ended;
  const encoded = new TextEncoder().encode(JSON.stringify(result));
  return encoded.length > resultBytes ? tooLong : encoded;
}

/** To who is on this machine; where there are several instances one is chosen here for each question. */
function offeredDoor(
  kind: ModelUse,
  { body, fence, model = '' }: CallOrder<InferBody>,
  instances: LocalInstances,
): OfferedDoor | undefined {
  const { door, channel } = body;
  if (channel === undefined || door === undefined || door !== hereMark()) return undefined;
  const instance = instances.only(model, kind);
  if (instance === undefined || !instance.mayBeTaken) return undefined;
  return { instance, loan: { channel, task: fence.task, attempt: fence.attempt } };
}

async function relay(
  kind: ModelUse,
  { body, model = '', signal }: Pick<CallOrder<InferBody>, 'body' | 'model' | 'signal'>,
  writer: Omit<AnswerWriter, 'lend'>,
  { instances, clock }: Pick<InferCallsOptions, 'instances' | 'clock'>,
): Promise<InferResult | Failure> {
  const notReady = failure('execution.model', `no instance of ${model} is ready here`);
  // A long request is not sent for in vain.
  if (body.request === undefined && instances.find(model, kind) === undefined) return notReady;
  const request = body.request ?? (await writer.question(body.requestBytes ?? 0, signal));
  if (!(request instanceof Uint8Array)) return request;
  const instance = instances.find(model, kind, request);
  if (instance === undefined) return notReady;
  const over = instance.begin();
  try {
    const answered = await askModel({
      ...{ door: instance.door, kept: instance.kept, model, path: body.path, request, clock },
      signal: AbortSignal.any([signal, writer.gone]),
      onHead: (status, contentType) => writer.head(status, contentType),
      take: (piece) => instance.handOver(writer.write(piece)),
    });
    if (answered !== 'left') return answered;
    if (signal.aborted) return failure('cancelled.user', 'it was stopped before its answer was whole');
    return writer.gone.aborted ? reasonOf(writer.gone) : tooLong;
  } finally {
    over();
  }
}

/** A channel's is a failure. */
function reasonOf({ reason }: AbortSignal): Failure {
  return reason as Failure;
}
