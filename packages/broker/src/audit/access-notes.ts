/**
 * What is recorded of what peers ask: each order with its outcome, each refusal, submissions and sessions as counts; and the
 * one order that the broker gives itself. Questions that were answered are not recorded.
 *
 * 1. What is asked is kept until it is answered, a bounded number of them: what was forgotten is answered all the same.
 * 2. What is recorded of an operation is its name, if it has one here: a peer's own words would each be an entry of a flood.
 * 3. No secret of an order goes in: its subject is the task, the node, the role, an id.
 */
import {
  type Failure,
  formatTaskId,
  isOperation,
  type Message,
  type Operation,
  type PrincipalId,
  type Role,
  type SessionId,
  type TaskId,
} from '@gryphgen/protocol';
import { type Decision, decided } from '../core/record/decisions.ts';
import type { RequestMessage } from '../request-turns.ts';
import type { AuditCollector, AuditNote } from './audit-collector.ts';

/** Orders, and what gives access to something: recorded when it is granted, too. */
const recorded: Record<Operation, boolean> = {
  cancel: true,
  drain: true,
  planDrain: true,
  removeNode: true,
  promotePolicy: true,
  rollBackPolicy: true,
  createTicket: true,
  enrol: true,
  revokePrincipal: true,
  revokeTicket: true,
  announce: true,
  exec: true,
  pushImage: true,
  addModel: true,
  removeModel: true,
  loadModel: true,
  unloadModel: true,
  tuneModel: true,
  placeCollection: true,
  moveShard: true,
  answers: true,
  logs: true,
  spec: true,
  // Of a worker they are part of an attempt, which the journal has.
  fetch: true,
  store: true,
  fsck: true,
  // Only a worker's, and its own.
  keepLogs: false,
  relay: false,
  ps: false,
  show: false,
  explain: false,
  dryRun: false,
  nodes: false,
  policy: false,
  models: false,
  collections: false,
  planModel: false,
  pastTasks: false,
  status: false,
  principals: false,
  tickets: false,
};
const mostOpen = 65_536;
/** Sessions that have ended: what they asked for before may yet be carried out. */
const mostGone = 4096;

export interface Asker {
  readonly principal: PrincipalId;
  readonly role: Role;
  readonly from: string;
}

interface Submitting {
  readonly asker: Asker;
  readonly first: TaskId;
  count: number;
}

export class AccessNotes {
  private readonly collector: AuditCollector;
  private readonly wallMs: () => number;
  private readonly askers = new Map<SessionId, Asker>();
  /** Of sessions that have ended, oldest first. */
  private readonly gone = new Map<SessionId, Asker>();
  /** By session and number. Oldest first. */
  private readonly open = new Map<string, { readonly op: Operation | 'unknown'; readonly subject: string }>();
  private readonly submitting = new Map<SessionId, Submitting>();

  constructor(collector: AuditCollector, wallMs: () => number) {
    this.collector = collector;
    this.wallMs = wallMs;
  }

  opened(session: SessionId, asker: Asker): void {
    this.askers.set(session, asker);
    this.note(asker, 'hello', '', '');
  }

  closed(session: SessionId): void {
    this.takeSubmissions(session);
    const asker = this.askers.get(session);
    if (asker === undefined || !this.askers.delete(session)) return;
    this.gone.set(session, asker);
    const [oldest] = this.gone.keys();
    if (this.gone.size > mostGone && oldest !== undefined) this.gone.delete(oldest);
  }

  /** Who has no session: `subject` is what it said to be. */
  turnedAway(who: string, role: string, from: string, why: Failure): void {
    this.collector.note(
      { who, role, from, what: 'hello', subject: why.message, code: why.code },
      this.wallMs(),
    );
  }

  asked(session: SessionId, { id, op, args }: RequestMessage): void {
    const key = `${session} ${id}`;
    this.open.delete(key);
    this.open.set(key, { op: isOperation(op) ? op : 'unknown', subject: subjectOf(args) });
    const [oldest] = this.open.keys();
    if (this.open.size > mostOpen && oldest !== undefined) this.open.delete(oldest);
  }

  private askerOf(session: SessionId): Asker | undefined {
    return this.askers.get(session) ?? this.gone.get(session);
  }

  /** What the session is told, be it there to hear it or not: what it asked for is done, or refused. */
  told(session: SessionId, message: Message): void {
    if (message.kind === 'accepted') this.accepted(session, message.task);
    else if (message.kind === 'refused') this.noteOf(session, 'submit', '', message.failure);
    else if (message.kind === 'reply') this.replied(session, message.id, message.failure);
  }

  /** The session is ended for what it sent. */
  forbidden(session: SessionId, why: Failure): void {
    this.noteOf(session, 'message', why.message, why);
  }

  /** What the broker orders by itself: to go back to another placement policy. */
  decided(decision: Decision): void {
    if (decision[0] !== decided.policyChanged) return;
    const [, , { version }, , by, reason] = decision;
    if (by !== '') return;
    const entry = { who: 'broker', role: '', from: '', what: 'rollBackPolicy', code: '' } as const;
    this.collector.note({ ...entry, subject: `to policy ${version}: ${reason}` }, this.wallMs());
  }

  /** Submissions that were taken go into the collector. */
  takeSubmissions(session?: SessionId): void {
    for (const [id, { asker, first, count }] of this.submitting) {
      if (session !== undefined && id !== session) continue;
      this.submitting.delete(id);
      this.note(asker, 'submit', formatTaskId(first), '', count);
    }
  }

  private accepted(session: SessionId, task: TaskId): void {
    const known = this.submitting.get(session);
    const asker = this.askerOf(session);
    if (known !== undefined) known.count += 1;
    else if (asker !== undefined) this.submitting.set(session, { asker, first: task, count: 1 });
  }

  private replied(session: SessionId, id: number, why: Failure | null): void {
    const key = `${session} ${id}`;
    const asked = this.open.get(key);
    if (asked === undefined || !this.open.delete(key)) return;
    if (why !== null || this.isRecorded(session, asked.op))
      this.noteOf(session, asked.op, asked.subject, why);
  }

  private isRecorded(session: SessionId, op: Operation | 'unknown'): boolean {
    return op !== 'unknown' && recorded[op] && this.askerOf(session)?.role !== 'worker';
  }

  private noteOf(session: SessionId, what: string, subject: string, why: Failure | null): void {
    const asker = this.askerOf(session);
    if (asker !== undefined) this.note(asker, what, subject, why?.code ?? '');
  }

  private note(
    { principal: who, role, from }: Asker,
    what: string,
    subject: string,
    code: AuditNote['code'],
    count = 1,
  ): void {
    this.collector.note({ who, role, from, what, subject, code }, this.wallMs(), count);
  }
}

function subjectOf(args: unknown): string {
  if (typeof args !== 'object' || args === null) return '';
  const { task, from, node, role, name, principal, ticket, artifact, model } = args as Record<
    string,
    unknown
  >;
  if (typeof task === 'number') return formatTaskId(task as TaskId);
  if (typeof from === 'number') return `policy ${from}`;
  if (typeof model === 'object') return subjectOf(model);
  return [node, role, name, principal, ticket, artifact].find((part) => typeof part === 'string') ?? '';
}
