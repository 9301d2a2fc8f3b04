/**
 * The codec. One ZeroMQ message is `["GG/1", batch]` (a ROUTER sees the identity before it); batch is MessagePack of
 * `[session, [[kind, header, body?]…]]`. `session` is '' until welcome: such frames carry the handshake and nothing
 * else, all others carry session messages and nothing else.
 *
 * Hot kinds are numbers with positional headers (hot-messages.ts), all others names with a map that zod checks.
 *
 * 1. Decoding never throws and costs time and memory linear in the frame, whoever wrote it.
 * 2. A kind nobody knows is stepped over and counted; a known kind that is malformed, or not for this direction,
 *    fails the whole frame with words that name kind and field.
 * 3. Bytes in decoded messages are views of the frame.
 */
import { type Failure, failure } from './failure.ts';
import { handshakeSchemas } from './handshake.ts';
import { hotBytes, hotKinds, hotTuple, isHot, readHot } from './hot-messages.ts';
import { limits } from './limits.ts';
import type {
  Challenge,
  HandshakeMessage,
  Hello,
  HelloAgain,
  Knock,
  Message,
  Refusal,
  SessionMessage,
  ToBroker,
  ToClient,
  ToWorker,
  Welcome,
} from './messages.ts';
import { Malformed, MsgpackReader } from './msgpack-reader.ts';
import { writeMsgpack } from './msgpack-writer.ts';
import { slowSchemas } from './slow-messages.ts';

export interface DirectionMessages {
  readonly toBroker: Knock | Hello | ToBroker;
  readonly toClient: Challenge | Welcome | Refusal | HelloAgain | ToClient;
  readonly toWorker: Challenge | Welcome | Refusal | HelloAgain | ToWorker;
}
export type Direction = keyof DirectionMessages;

const shared = ['credit', 'bye'] as const;
const fromBroker = [
  'challenge',
  'welcome',
  'refusal',
  'helloAgain',
  'heartbeatAck',
  'reply',
  'voucher',
  ...shared,
] as const;
const allowed: { readonly [D in Direction]: ReadonlySet<DirectionMessages[D]['kind']> } = {
  toBroker: new Set([
    ...([
      'knock',
      'hello',
      'heartbeat',
      'submit',
      'watch',
      'request',
      'started',
      'served',
      'result',
      'report',
    ] as const),
    ...shared,
  ]),
  toClient: new Set([...fromBroker, 'accepted', 'refused', 'finished', 'changed'] as const),
  toWorker: new Set([...fromBroker, 'lease', 'resultAck', 'stop', 'recall', 'revoked'] as const),
};

type Named = keyof typeof handshakeSchemas | keyof typeof slowSchemas;
const schemas = { ...handshakeSchemas, ...slowSchemas };

export type DecodedFrame<D extends Direction> =
  | {
      readonly ok: true;
      readonly session: string;
      readonly messages: readonly DirectionMessages[D][];
      readonly unknown: number;
    }
  | { readonly ok: false; readonly failure: Failure };

/** The batch part. `messages` are at most limits.frameMessages whose `messageBytes` fit limits.frameBytes. */
export function encodeFrame(session: string, messages: readonly Message[]): Buffer {
  return writeMsgpack([session, messages.map(tupleOf)]);
}

function tupleOf(message: Message): readonly unknown[] {
  if (isHot(message)) return hotTuple(message);
  const { kind, ...header } = message;
  return [kind, header];
}

/** Bytes that `message` takes in a frame, never too few. */
export function messageBytes(message: Message): number {
  return isHot(message) ? hotBytes(message) : writeMsgpack(tupleOf(message)).length;
}

/** What a frame costs beside its messages. */
export const frameOverheadBytes = limits.sessionChars * 3 + 16;

export function decodeFrame<D extends Direction>(bytes: Uint8Array, direction: D): DecodedFrame<D> {
  if (bytes.length > limits.frameBytes)
    return refused(`the frame has ${bytes.length} bytes, at most ${limits.frameBytes}`);
  try {
    return readFrame(new MsgpackReader(bytes), direction);
  } catch (error) {
    if (error instanceof Malformed) return refused(error.message);
    return { ok: false, failure: failure('internal.bug', `reading a frame failed: ${String(error)}`) };
  }
}

function readFrame<D extends Direction>(reader: MsgpackReader, direction: D): DecodedFrame<D> {
  const parts = reader.array('the frame');
  if (parts < 2) throw new Malformed('the frame must be [session, messages]');
  const session = reader.string('session', limits.sessionChars);
  const count = reader.array('messages');
  if (count > limits.frameMessages) {
    throw new Malformed(`the frame has ${count} messages, at most ${limits.frameMessages}`);
  }
  const kinds: ReadonlySet<string> = allowed[direction];
  const messages: DirectionMessages[D][] = [];
  for (let index = 0; index < count; index++) {
    const message = readMessage(reader, kinds, direction, session === '');
    // `kinds` has let it pass: it is one of this direction.
    if (message) messages.push(message as DirectionMessages[D]);
  }
  reader.skip(parts - 2);
  if (!reader.atEnd) throw new Malformed('bytes are left after the frame');
  return { ok: true, session, messages, unknown: count - messages.length };
}

/** Undefined for a kind nobody here knows. */
function readMessage(
  reader: MsgpackReader,
  kinds: ReadonlySet<string>,
  direction: Direction,
  handshake: boolean,
): Message | undefined {
  const parts = reader.array('a message');
  if (parts < 2) throw new Malformed('a message must be [kind, header, body]');
  const named = reader.nextIsString();
  const kind = named
    ? reader.string('a kind', 64)
    : hotKinds[reader.integer('a kind', 0, Number.MAX_SAFE_INTEGER)];
  if (kind === undefined || (named && !Object.hasOwn(schemas, kind))) {
    reader.skip(parts - 1);
    return undefined;
  }
  if (!kinds.has(kind)) throw new Malformed(`${kind} must not be sent ${directionWords[direction]}`);
  if (handshake !== Object.hasOwn(handshakeSchemas, kind)) {
    throw new Malformed(`${kind} must ${handshake ? '' : 'not '}carry a session`);
  }
  if (!named) return readHot(kind as Parameters<typeof readHot>[0], parts, reader);
  const header = reader.value(`${kind}'s header`);
  reader.skip(parts - 2);
  return parseNamed(kind as Named, header);
}

const directionWords: Readonly<Record<Direction, string>> = {
  toBroker: 'to a broker',
  toClient: 'to a client',
  toWorker: 'to a worker',
};

function parseNamed(kind: Named, header: unknown): HandshakeMessage | SessionMessage {
  const parsed = schemas[kind].safeParse(header);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new Malformed(`${[kind, ...(issue?.path ?? [])].join('.')}: ${issue?.message ?? 'is not valid'}`);
  }
  // Each schema is checked against its message where it is defined.
  return { kind, ...parsed.data } as HandshakeMessage | SessionMessage;
}

function refused(message: string): { readonly ok: false; readonly failure: Failure } {
  return { ok: false, failure: failure('rejected.invalid', message) };
}
