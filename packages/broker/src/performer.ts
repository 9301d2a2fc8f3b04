/**
 * Performs the core's effects: messages to peers, answers that need the disk, the end of sessions.
 *
 * 1. A message for a session that is gone is dropped: its peer says hello again and asks again (exchanges E5, E7, E9).
 * 2. What must be read from disk is read off the loop; its answer leaves when it is there, and says so when it cannot
 *    be read: every request is answered.
 */
import type {
  AttemptNo,
  CheckDocument,
  Failure,
  Message,
  SessionId,
  TaskDocument,
  TaskId,
  TransferOp,
} from '@gryphgen/protocol';
import { encodeEnvelope, failure, formatTaskId, GridError, limits } from '@gryphgen/protocol';
import type { Log, PeerKey, PushOutcome } from '@gryphgen/runtime';
import { type Beside, endedLog, type PermitOrder, permission, type Sign } from './artifacts/permission.ts';
import type { BrokerEffect, EnrolmentEffect, GrantSubject, ShellStatus } from './core/effects.ts';
import { type ArtifactPlaces, names, notOf } from './core/workers/artifacts.ts';
import { notRunning } from './core/workers/granting.ts';
import { bodyGone, finishedFrom, pastTasks, unknownTask, withoutScores } from './ended-answers.ts';
import type { Journal } from './journal/journal.ts';
import { mostQuestions, QuestionLines } from './question-lines.ts';
import type { SpecStore } from './spec-store.ts';

export interface PerformerParts {
  readonly journal: Journal;
  readonly specs: SpecStore;
  readonly log: Log;
  readonly peerOf: (session: SessionId) => PeerKey | undefined;
  /** What is told to a session, be it there to hear it or not. */
  readonly told: (session: SessionId, message: Message) => void;
  readonly queue: (peer: PeerKey, session: string, message: Message, mayWait?: boolean) => PushOutcome;
  readonly close: (session: SessionId, why: Failure) => void;
  /** What one of its messages caused has left. */
  readonly answered: (session: SessionId) => void;
  /** Signs permission for one transfer. */
  readonly grant: (op: TransferOp, session: SessionId, about: GrantSubject) => string;
  /** What keeps artifacts and logs beside the broker, and relays; null while it is not there. */
  readonly beside: () => Beside | null;
  readonly shellStatus: () => ShellStatus;
  /** What comes of it is told to the core. */
  readonly outside: (effect: Extract<BrokerEffect, { kind: 'revoke' | 'judgePolicy' }>) => void;
  /** Resolves with the answer when it is on disk; rejects with GridError where it is refused. */
  readonly enrolment: (effect: EnrolmentEffect) => Promise<unknown>;
  /** Resolves with what a check of the home found. */
  readonly fsck: () => Promise<CheckDocument>;
  /** The journal does not have the body of a lease: it can never be sent. */
  readonly bodyMissing: (task: TaskId, attempt: AttemptNo, why: string) => void;
  /** Stores what it is to run, and tells the core. */
  readonly prepare: (effect: Extract<BrokerEffect, { kind: 'prepareInstance' | 'prepareCopy' }>) => void;
  /** A question about an ended task that only the history knows. */
  readonly findWorker: (id: string) => { readonly endpoint: string; readonly dataKey: string } | undefined;
  /** Who has an artifact that the task names. */
  readonly findArtifact: (artifact: string, document: TaskDocument) => ArtifactPlaces;
}

export class Performer {
  private readonly parts: PerformerParts;
  private readonly questions: QuestionLines;

  constructor(parts: PerformerParts) {
    this.parts = parts;
    this.questions = new QuestionLines((session) => parts.peerOf(session) !== undefined);
  }

  perform(effect: BrokerEffect): void {
    const { specs } = this.parts;
    switch (effect.kind) {
      case 'send':
        this.send(effect.session, effect.message, effect.mayWait);
        return;
      case 'heartbeatAck':
        this.send(effect.session, { kind: 'heartbeatAck', seq: effect.seq, head: this.parts.journal.head() });
        return;
      case 'lease':
        this.lease(effect);
        return;
      case 'answered':
        this.parts.answered(effect.session);
        return;
      case 'close':
        this.parts.close(effect.session, effect.failure);
        return;
      case 'pinBody':
        specs.pin(effect.body);
        return;
      case 'unpinBody':
        specs.unpin(effect.body);
        return;
      case 'prepareInstance':
      case 'prepareCopy':
        this.parts.prepare(effect);
        return;
      case 'spec':
        this.spec(effect);
        return;
      case 'grant':
      case 'besideGrant':
      case 'artifact':
        this.permit(effect);
        return;
      case 'status':
        this.reply(effect.session, effect.request, { ...effect.status, ...this.parts.shellStatus() });
        return;
      case 'lookup':
        this.lookup(effect);
        return;
      case 'history':
        this.history(effect);
        return;
      case 'pastTasks':
        this.pastTasks(effect);
        return;
      case 'revoke':
      case 'judgePolicy':
        this.parts.outside(effect);
        return;
      case 'enrolment':
        this.answerWith(effect, this.parts.enrolment(effect), 'the list of who may enter cannot be written');
        return;
      case 'fsck':
        this.answerWith(effect, this.parts.fsck(), 'the home cannot be checked');
        return;
      case 'record':
        throw new Error('a record is for the commit pipeline');
      default:
        effect satisfies never;
    }
  }

  private send(session: SessionId, message: Message, mayWait = false): void {
    this.parts.told(session, message);
    const peer = this.parts.peerOf(session);
    if (peer === undefined) return;
    if (this.parts.queue(peer, session, message, mayWait) !== 'tooLarge') return;
    if (message.kind !== 'reply') throw new Error(`a ${message.kind} does not fit into a frame`);
    const words = 'the answer does not fit into one message: ask for fewer rows';
    this.send(session, { ...message, result: null, failure: failure('rejected.limit', words) });
  }

  private reply(session: SessionId, id: number, result: unknown, why: Failure | null = null): void {
    this.send(session, { kind: 'reply', id, result, failure: why });
  }

  private lease(effect: Extract<BrokerEffect, { kind: 'lease' }>): void {
    const { task, attempt } = effect;
    const body = this.parts.specs.body(task.body);
    if (body !== undefined) {
      this.sendLease(effect, body);
      return;
    }
    // One that cannot be read is not answered for: the core sends the lease again (E9).
    void this.later(async () => {
      const read = await this.parts.journal.blob(task.body);
      if (read !== undefined) this.sendLease(effect, read);
      else {
        this.parts.bodyMissing(task.id, attempt, `the journal has no body ${task.body}`);
        throw new Error(`the journal has no body ${task.body} for ${formatTaskId(task.id)}`);
      }
    });
  }

  private sendLease(effect: Extract<BrokerEffect, { kind: 'lease' }>, body: Uint8Array): void {
    const { task, attempt, session, leaseSeq, floor, shard } = effect;
    // It may have ended, or moved on, while its message waited for the disk.
    const { lease } = task;
    if (lease === null || task.attempt !== attempt || lease.leaseSeq !== leaseSeq) return;
    const { epoch, planned, reservation } = lease;
    const envelope = this.parts.specs.envelopeBytes(task.spec.envelope);
    this.send(session, {
      kind: 'lease',
      leaseSeq,
      floor,
      task: task.id,
      attempt,
      epoch,
      devices: (planned ?? reservation).devices,
      envelope,
      body,
      principal: task.principal,
      ...(task.byAdmin && { byAdmin: true as const }),
      ...(shard && { shard }),
    });
  }

  /** For who submits a task again: one that ended so long ago that its body was let go can only be submitted anew. */
  private spec({ session, request, envelope, body: hash }: Extract<BrokerEffect, { kind: 'spec' }>): void {
    const answer = (body: Uint8Array): void =>
      this.reply(session, request, { envelope: encodeEnvelope(envelope), body });
    const known = this.parts.specs.body(hash);
    if (known !== undefined) {
      answer(known);
      return;
    }
    const read = async (): Promise<void> => {
      const body = await this.parts.journal.blob(hash);
      if (body !== undefined) answer(body);
      else this.reply(session, request, null, bodyGone());
    };
    this.ask(session, read, request);
  }

  /** A `watch` that finds no answer is repeated by its client (E7). */
  private lookup({ session, task, onlyOf, answer }: Extract<BrokerEffect, { kind: 'lookup' }>): void {
    const find = async (): Promise<void> => {
      const row = await this.parts.journal.historyOf(task);
      const found = row === undefined ? undefined : (JSON.parse(row.document) as TaskDocument);
      const document = onlyOf === null || found?.principal === onlyOf ? found : undefined;
      if (answer.kind === 'finished') this.send(session, finishedFrom(task, document));
      else if (document === undefined) this.reply(session, answer.request, null, unknownTask(task));
      else this.answerFromHistory(session, task, document, answer);
    };
    this.ask(session, find, answer.kind === 'reply' ? answer.request : undefined);
  }

  private answerFromHistory(
    session: SessionId,
    task: TaskId,
    document: TaskDocument,
    { request, op, artifact = '', kept = false }: LookupReply,
  ): void {
    const { id, state } = document;
    switch (op) {
      case 'explain':
        this.reply(session, request, withoutScores(document));
        return;
      case 'spec':
        this.spec({ kind: 'spec', session, request, envelope: document.envelope, body: document.body });
        return;
      case 'logs': {
        const found = endedLog(task, document, this.parts.findWorker(document.worker), kept);
        if ('code' in found) this.reply(session, request, null, found);
        else this.permit({ kind: 'grant', op: 'logs', session, request, ...found });
        return;
      }
      case 'exec':
        this.reply(session, request, null, notRunning({ id, state }));
        return;
      case 'fetch': {
        const places = this.parts.findArtifact(artifact, document);
        if (names(document, artifact))
          this.permit({ kind: 'artifact', op, session, request, artifact, ...places });
        else this.reply(session, request, null, notOf(id, artifact));
        return;
      }
      default:
        this.reply(session, request, document);
    }
  }

  private permit(order: PermitOrder): void {
    const { session, request } = order;
    const sign: Sign = (op, about) => this.parts.grant(op, session, about);
    const answer = permission(order, sign, this.parts.beside());
    if ('code' in answer) this.reply(session, request, null, answer);
    else this.reply(session, request, answer);
  }

  private history(effect: Extract<BrokerEffect, { kind: 'history' }>): void {
    const { session, request, recent, onlyOf, limit } = effect;
    const read = async (): Promise<void> => {
      const { rows } = await this.parts.journal.history({ limit, principal: onlyOf });
      const shown = new Set((recent as readonly TaskDocument[]).map(({ id }) => id));
      const older = rows
        .map((row) => JSON.parse(row.document) as TaskDocument)
        .filter(({ id, principal }) => !shown.has(id) && (onlyOf === null || principal === onlyOf));
      this.reply(session, request, [...recent, ...older].slice(0, limit));
    };
    this.ask(session, read, request);
  }

  private pastTasks({ session, request, before, limit }: Extract<BrokerEffect, { kind: 'pastTasks' }>): void {
    const read = async (): Promise<void> => {
      const from = before === null ? {} : { before };
      const page = await this.parts.journal.history({ limit, ...from, state: 'succeeded' });
      this.reply(session, request, pastTasks(page));
    };
    this.ask(session, read, request);
  }

  /** `words`: what it means when the answer is neither that nor a refusal. */
  private answerWith({ session, request }: Asker, promised: Promise<unknown>, words: string): void {
    promised.then(
      (result) => this.reply(session, request, result),
      (error: unknown) => {
        const refused = error instanceof GridError ? error.failure : undefined;
        if (refused === undefined) this.parts.log.error({ err: error }, words);
        const why = refused ?? failure('internal.bug', `${words}: ${String(error)}`);
        this.reply(session, request, null, why);
      },
    );
  }

  private ask(session: SessionId, work: () => Promise<void>, request?: number): void {
    const asker = request === undefined ? undefined : { session, request };
    if (this.questions.ask(session, () => this.later(work, asker))) return;
    const words = `a session may wait for ${mostQuestions} answers about tasks that ended long ago`;
    this.parts.close(session, failure('rejected.limit', words));
  }

  /** What goes wrong is for the operator, and for who asked. */
  private later(work: () => Promise<void>, asker?: Asker): Promise<void> {
    return work().catch((error: unknown) => {
      this.parts.log.error({ err: error }, 'an answer could not be read from the journal');
      if (asker === undefined) return;
      const why = error instanceof Error ? error.message : String(error);
      const words = `the answer could not be read from the journal: ${why}`.slice(0, limits.messageChars);
      this.reply(asker.session, asker.request, null, failure('internal.bug', words));
    });
  }
}

type LookupReply = Extract<Extract<BrokerEffect, { kind: 'lookup' }>['answer'], { kind: 'reply' }>;

type Asker = Pick<Extract<BrokerEffect, { kind: 'fsck' }>, 'session' | 'request'>;
