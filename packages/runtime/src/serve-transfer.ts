/** What a data endpoint has to serve, and which of it a permitted request is given. */
import { type AttemptNo, failure, type TaskId } from '@gryphgen/protocol';
import type { ServeAnswers } from './answers/answer-channels.ts';
import type { DataSource, DataStream } from './data-stream.ts';
import type { OpenRequest, TransferEnd } from './data-wire.ts';
import type { DuplexStream, OpenExec, OpenKeep, OpenPush, OpenStore } from './duplex-stream.ts';
import type { Grant } from './grant.ts';

export interface Served {
  /** The bytes of an attempt's log, or why there are none. Ends early when the signal is aborted. */
  readonly open: (log: LogRange, signal: AbortSignal) => DataSource | Promise<DataSource>;
  /** Absent: no commands are run here. */
  readonly exec?: OpenExec;
  /** Absent: no images are taken here. */
  readonly push?: OpenPush;
  /** The manifest of an artifact (`runs` null) or its chunks, or why there are none. Absent: there are none here. */
  readonly fetch?: (artifact: string, runs: readonly number[] | null) => Promise<DataSource>;
  /** Absent: no artifacts are taken here. */
  readonly store?: OpenStore;
  /** Absent: no logs are taken here. */
  readonly keep?: OpenKeep;
  /** Absent: nothing is asked here. */
  readonly answers?: ServeAnswers;
}

export interface LogRange {
  readonly task: TaskId;
  readonly attempt: AttemptNo;
  readonly from: number;
  readonly follow: boolean;
  /** Whose log it is, by the grant; '' where an older broker made that. */
  readonly worker: string;
}

/** `duplex`: of what takes more than its stream. */
export async function serveTransfer(
  { open, exec, push, fetch, store, keep, answers }: Served,
  request: OpenRequest,
  { id = '', principal = '', worker = '', owner = principal }: Grant,
  stream: DataStream,
  duplex: DuplexStream | null,
): Promise<TransferEnd> {
  const { signal } = stream.abort;
  if (request.kind === 'fetch') {
    if (fetch === undefined) return notOffered('artifacts');
    return stream.copy(await fetch(request.artifact, request.runs));
  }
  if (request.kind === 'answers') {
    if (answers === undefined || duplex === null) return notOffered('answers');
    return answers({ channel: request.channel, principal }, stream, duplex);
  }
  if (request.kind === 'store') {
    const { artifact, manifestBytes } = request;
    if (store === undefined || duplex === null) return notOffered('artifacts');
    return duplex.run(() => store({ artifact, manifestBytes, owner }, signal));
  }
  if (request.kind === 'keepLogs') {
    if (keep === undefined || duplex === null) return notOffered('logs');
    return duplex.run(() => keep(worker, signal));
  }
  if (request.kind === 'image') {
    if (push === undefined || duplex === null) return notOffered('images');
    return duplex.run(() => push({ order: request.order, principal }, signal));
  }
  const [task, attempt] = [request.task as TaskId, request.attempt as AttemptNo];
  if (request.kind === 'logs') {
    const { from, follow } = request;
    return stream.copy(await open({ task, attempt, from, follow, worker }, signal));
  }
  if (exec === undefined || duplex === null) return notOffered('exec');
  return duplex.run(() => exec({ task, attempt, order: request.order, id, principal }, signal));
}

const offers = {
  exec: 'exec',
  images: 'to take images',
  artifacts: 'artifacts',
  logs: 'to keep logs',
  answers: 'answers',
} as const;

function notOffered(what: keyof typeof offers): TransferEnd {
  const words = `this endpoint does not offer ${offers[what]}`;
  return { failure: failure('rejected.state', words) };
}
