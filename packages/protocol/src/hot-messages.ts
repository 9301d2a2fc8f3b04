/**
 * The messages every task costs, on the wire: `[number, [fields…], body?]`, fields by position.
 *
 * 1. A number or a position never changes its meaning; what is new is added at the end.
 * 2. Positions beyond those known here are stepped over.
 * 3. Reading checks type and range of each field and copies nothing: bytes are views of the frame.
 */
import { type Failure, type FailureCode, failureCodes } from './failure.ts';
import type { AttemptNo, Epoch, PrincipalId, TaskId } from './ids.ts';
import { readShard, readShares, shardTuple, sharesTuple } from './lease-parts.ts';
import { limits } from './limits.ts';
import type {
  Accepted,
  Credit,
  Finished,
  Heartbeat,
  HeartbeatAck,
  Lease,
  ListedAttempt,
  Message,
  OutcomeState,
  Result,
  ResultAck,
  Started,
  Stop,
  Submit,
} from './messages.ts';
import { Malformed, type MsgpackReader, need } from './msgpack-reader.ts';
import { readUsage, readUse, usageTuple, useParts } from './usage.ts';

const safe = Number.MAX_SAFE_INTEGER;
const states: readonly OutcomeState[] = ['succeeded', 'failed', 'cancelled'];
/** Those that the first workers know; `drain` is a `cancel` with one position more. */
const reasons: readonly Stop['reason'][] = ['cancel', 'drop'];
const knownCodes: ReadonlySet<string> = new Set(failureCodes);
const utf8BytesPerChar = 3;
const none = new Uint8Array(0);

export type HotMessage =
  | Submit
  | Accepted
  | Lease
  | Started
  | Result
  | ResultAck
  | Finished
  | Credit
  | Heartbeat
  | HeartbeatAck
  | Stop;

/** By number; 0 is nobody's. */
export const hotKinds: readonly (HotMessage['kind'] | undefined)[] = [
  undefined,
  'submit',
  'accepted',
  'lease',
  'started',
  'result',
  'resultAck',
  'finished',
  'credit',
  'heartbeat',
  'heartbeatAck',
  'stop',
];
const hot: ReadonlySet<string | undefined> = new Set(hotKinds);

export function isHot(message: Message): message is HotMessage {
  return hot.has(message.kind);
}

/** What msgpackr is to write for `message`. */
export function hotTuple(m: HotMessage): readonly unknown[] {
  switch (m.kind) {
    case 'submit':
      return m.progress === undefined
        ? [1, [m.seq, m.floor, m.key, m.envelope], m.body]
        : [1, [m.seq, m.floor, m.key, m.envelope, m.progress], m.body];
    case 'accepted':
      return m.progress === undefined ? [2, [m.seq, m.task]] : [2, [m.seq, m.task, m.progress]];
    case 'lease':
      return [3, leaseTuple(m), m.body];
    case 'started':
      return [4, [m.task, m.attempt, m.epoch]];
    case 'result':
      return withOutcome(5, resultTuple(m), m.outcome);
    case 'resultAck':
      return [6, [m.task, m.attempt, m.epoch]];
    case 'finished':
      return withOutcome(7, finishedTuple(m), m.outcome);
    case 'credit':
      return [8, [m.total]];
    case 'heartbeat':
      return [9, [m.seq, m.attempts.map(([task, attempt, use]) => [task, attempt, ...useParts(use)])]];
    case 'heartbeatAck':
      return [10, [m.seq, m.head.seq, m.head.digest]];
    case 'stop':
      return m.reason === 'drain'
        ? [11, [m.task, m.attempt, m.epoch, m.leaseSeq, reasons.indexOf('cancel'), true]]
        : [11, [m.task, m.attempt, m.epoch, m.leaseSeq, reasons.indexOf(m.reason)]];
  }
}

/** None is left out: it would take longer to write than all the rest. */
const withOutcome = (kind: number, header: readonly unknown[], outcome: Uint8Array) =>
  outcome.length === 0 ? [kind, header] : [kind, header, outcome];

function leaseTuple(m: Lease): readonly unknown[] {
  const known = [m.leaseSeq, m.floor, m.task, m.attempt, m.epoch, sharesTuple(m.devices), m.envelope];
  if (m.principal === undefined) return known;
  if (m.shard === undefined) return [...known, m.principal, ...(m.byAdmin ? [true] : [])];
  return [...known, m.principal, m.byAdmin === true, shardTuple(m.shard)];
}

function resultTuple(m: Result): readonly unknown[] {
  const known = [m.task, m.attempt, m.epoch, m.exitCode, failureTuple(m.failure), m.ranMs];
  const usage = usageTuple(m.usage);
  return usage === undefined ? known : [...known, usage];
}
function finishedTuple(m: Finished): readonly unknown[] {
  return [m.task, m.attempt, states.indexOf(m.state), m.exitCode, failureTuple(m.failure)];
}
const failureTuple = (failure: Failure | null) => (failure === null ? null : [failure.code, failure.message]);

/** Bytes on the wire, never too few. */
export function hotBytes(m: HotMessage): number {
  switch (m.kind) {
    case 'submit':
      return 64 + m.key.length * utf8BytesPerChar + m.envelope.length + m.body.length;
    case 'lease':
      return (
        96 +
        m.devices.length * (32 + limits.uuidChars) +
        ((m.principal?.length ?? 0) + (m.shard?.by.length ?? 0)) * utf8BytesPerChar +
        m.envelope.length +
        m.body.length
      );
    case 'result':
    case 'finished':
      return 128 + (m.failure?.message.length ?? 0) * utf8BytesPerChar + m.outcome.length;
    case 'heartbeat':
      return 64 + m.attempts.length * 65;
    case 'heartbeatAck':
      return 128;
    default:
      return 64;
  }
}

/** Reads the header (a list) and, where the kind has one, the body, of a message with `parts` parts, all of them. */
export function readHot(kind: HotMessage['kind'], parts: number, reader: MsgpackReader): HotMessage {
  const positions = reader.array(`${kind}'s header`);
  switch (kind) {
    case 'submit': {
      need(kind, positions, 4);
      const [seq, floor] = [reader.integer('submit.seq', 1, safe), reader.integer('submit.floor', 0, safe)];
      const key = reader.string('submit.key', limits.keyChars * utf8BytesPerChar);
      const envelope = reader.binary('submit.envelope', limits.envelopeBytes);
      const progress = positions > 4 && reader.boolean('submit.progress');
      const submit = { kind, seq, floor, key, envelope, body: rest(kind, reader, positions - 5, parts) };
      return progress ? { ...submit, progress } : submit;
    }
    case 'accepted': {
      need(kind, positions, 2);
      const accepted = { kind, seq: reader.integer('accepted.seq', 1, safe), task: readTask(kind, reader) };
      const progress = positions > 2 && reader.boolean('accepted.progress');
      rest(kind, reader, positions - 3, parts);
      return progress ? { ...accepted, progress } : accepted;
    }
    case 'lease':
      return readLease(positions, parts, reader);
    case 'started':
    case 'resultAck': {
      need(kind, positions, 3);
      const message = {
        kind,
        task: readTask(kind, reader),
        attempt: readAttempt(kind, reader),
        epoch: readEpoch(kind, reader),
      };
      rest(kind, reader, positions - 3, parts);
      return message;
    }
    case 'result':
      return readResult(positions, parts, reader);
    case 'finished':
      return readFinished(positions, parts, reader);
    case 'credit': {
      need(kind, positions, 1);
      const total = reader.integer('credit.total', 0, safe);
      rest(kind, reader, positions - 1, parts);
      return { kind, total };
    }
    case 'heartbeat': {
      need(kind, positions, 2);
      const seq = reader.integer('heartbeat.seq', 1, safe);
      const attempts = readAttempts(reader);
      rest(kind, reader, positions - 2, parts);
      return { kind, seq, attempts };
    }
    case 'heartbeatAck': {
      need(kind, positions, 3);
      const seq = reader.integer('heartbeatAck.seq', 1, safe);
      const headSeq = reader.integer('heartbeatAck.head.seq', 0, safe);
      const digest = reader.string('heartbeatAck.head.digest', 64);
      rest(kind, reader, positions - 3, parts);
      return { kind, seq, head: { seq: headSeq, digest } };
    }
    case 'stop': {
      need(kind, positions, 5);
      const task = readTask(kind, reader);
      const attempt = readAttempt(kind, reader);
      const epoch = readEpoch(kind, reader);
      const leaseSeq = reader.integer('stop.leaseSeq', 0, safe);
      const reason = reasons[reader.integer('stop.reason', 0, reasons.length - 1)] ?? 'drop';
      const isDrain = positions > 5 && reader.boolean('stop.drain');
      rest(kind, reader, positions - 6, parts);
      return { kind, task, attempt, epoch, leaseSeq, reason: isDrain ? 'drain' : reason };
    }
  }
}

function readLease(positions: number, parts: number, reader: MsgpackReader): Lease {
  need('lease', positions, 7);
  const leaseSeq = reader.integer('lease.leaseSeq', 1, safe);
  const floor = reader.integer('lease.floor', 0, safe);
  const task = readTask('lease', reader);
  const attempt = readAttempt('lease', reader);
  const epoch = readEpoch('lease', reader);
  const devices = readShares(reader);
  const envelope = reader.binary('lease.envelope', limits.envelopeBytes);
  const known = { leaseSeq, floor, task, attempt, epoch, devices, envelope };
  if (positions < 8) return { kind: 'lease', ...known, body: rest('lease', reader, 0, parts) };
  const principal = reader.string('lease.principal', limits.nameChars * utf8BytesPerChar) as PrincipalId;
  const byAdmin = (positions > 8 && reader.boolean('lease.byAdmin')) || undefined;
  const shard = positions > 9 ? readShard(reader) : undefined;
  const body = rest('lease', reader, positions - 10, parts);
  return { kind: 'lease', ...known, principal, byAdmin, shard, body };
}

function readResult(positions: number, parts: number, reader: MsgpackReader): Result {
  need('result', positions, 6);
  const task = readTask('result', reader);
  const attempt = readAttempt('result', reader);
  const epoch = readEpoch('result', reader);
  const exitCode = reader.integer('result.exitCode', -1, 0x7fff_ffff);
  const failure = readFailure('result', reader);
  const ranMs = reader.number('result.ranMs');
  if (ranMs < 0) throw new Malformed('result.ranMs must not be negative');
  const usage = positions > 6 ? readUsage(reader) : undefined;
  const outcome = rest('result', reader, positions - 7, parts);
  const result: Result = { kind: 'result', task, attempt, epoch, exitCode, failure, ranMs, outcome };
  return usage === undefined ? result : { ...result, usage };
}

function readFinished(positions: number, parts: number, reader: MsgpackReader): Finished {
  need('finished', positions, 5);
  const task = readTask('finished', reader);
  const attempt = readAttempt('finished', reader);
  const state = states[reader.integer('finished.state', 0, states.length - 1)] ?? 'failed';
  const exitCode = reader.integer('finished.exitCode', -1, 0x7fff_ffff);
  const failure = readFailure('finished', reader);
  const outcome = rest('finished', reader, positions - 5, parts);
  return { kind: 'finished', task, attempt, state, exitCode, failure, outcome };
}

function readAttempts(reader: MsgpackReader): Heartbeat['attempts'] {
  const count = reader.array('heartbeat.attempts');
  if (count > limits.attemptsListed)
    throw new Malformed(`heartbeat.attempts are ${count}, at most ${limits.attemptsListed}`);
  const attempts: ListedAttempt[] = [];
  for (let index = 0; index < count; index++) {
    const fields = reader.array('heartbeat.attempts');
    need('heartbeat.attempts', fields, 2);
    const [task, attempt] = [readTask('heartbeat', reader), readAttempt('heartbeat', reader)];
    const use = readUse(reader, fields - 2);
    attempts.push(use === undefined ? [task, attempt] : [task, attempt, use]);
  }
  return attempts;
}

function readFailure(kind: string, reader: MsgpackReader): Failure | null {
  if (reader.nil()) return null;
  const fields = reader.array(`${kind}.failure`);
  need(`${kind}.failure`, fields, 2);
  const code = reader.string(`${kind}.failure.code`, 64);
  if (!knownCodes.has(code)) throw new Malformed(`${kind}.failure.code is not one of ours`);
  const message = reader.string(`${kind}.failure.message`, limits.messageChars * utf8BytesPerChar);
  reader.skip(fields - 2);
  return { code: code as FailureCode, message };
}

const readTask = (kind: string, reader: MsgpackReader) => reader.integer(`${kind}.task`, 1, safe) as TaskId;
const readAttempt = (kind: string, reader: MsgpackReader) =>
  reader.integer(`${kind}.attempt`, 0, safe) as AttemptNo;
const readEpoch = (kind: string, reader: MsgpackReader) => reader.integer(`${kind}.epoch`, 0, safe) as Epoch;

/** Steps over unknown positions (2) and reads the body. */
function rest(kind: string, reader: MsgpackReader, unknown: number, parts: number): Uint8Array {
  if (unknown > 0) reader.skip(unknown);
  if (parts < 3) return none;
  const body = reader.nil() ? none : reader.binary(`${kind}'s body`, limits.bodyBytes);
  if (parts > 3) reader.skip(parts - 3);
  return body;
}
