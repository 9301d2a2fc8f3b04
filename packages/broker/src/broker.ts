/**
 * SYMORQ's shell: frames become events, the core steps, decisions become durable, effects are performed.
 *
 *   frame → sessions → engine.step … (many frames a turn) … → engine.endTurn → committer.pump → journal
 *                          └ ungated effects at once            gated effects when durable ┘
 *
 * 1. No synchronous I/O in the loop: the journal has its own thread, logs of the hot path do not exist.
 * 2. A turn ends once, after the frames of one event-loop turn: placement and commits are per turn, not per message.
 */
import { join } from 'node:path';
import {
  decodeFrame,
  defaultTimers,
  type JournalHead,
  productVersion,
  type SessionId,
  type StatusDocument,
  type Timers,
} from '@gryphgen/protocol';
import {
  type Alarms,
  type AuthorizedKeys,
  BrokerSocket,
  type Cancel,
  type Clock,
  type Identity,
  type Log,
  type PeerKey,
  type Random,
  signGrant,
} from '@gryphgen/runtime';
import { Committer } from './committer.ts';
import type { BrokerEffect } from './core/effects.ts';
import { BrokerEngine } from './core/engine.ts';
import type { BrokerEvent, Now } from './core/events.ts';
import type { Finding, Journal } from './journal/journal.ts';
import { openJournal } from './journal/open-journal.ts';
import { Performer } from './performer.ts';
import { recover } from './recovery.ts';
import type { SessionOutput } from './session-output.ts';
import { Sessions } from './sessions.ts';
import { SpecStore } from './spec-store.ts';

/** Long enough to connect to the worker and ask; a stolen grant is soon worthless. */
const grantMs = 60_000;
/** Findings told to who asks for the status; the log has them all. */
const keptFindings = 100;

export interface BrokerOptions {
  readonly home: string;
  /** tcp://HOST:PORT (`*` picks a port) or ipc:///PATH */
  readonly endpoints: readonly string[];
  /** The grid's id (runtime/keys). */
  readonly grid: string;
  readonly identity: Identity;
  readonly authorized: AuthorizedKeys;
  readonly timers?: Timers;
  readonly clock: Clock;
  readonly alarms: Alarms;
  readonly random: Random;
  readonly log: Log;
  /** The broker can no longer keep its word (journal lost, invariant broken): the process must end. */
  readonly onFatal: (error: unknown) => void;
}

export class Broker {
  private readonly options: BrokerOptions;
  private readonly timers: Timers;
  private readonly specs = new SpecStore();
  private journal: Journal | undefined;
  private engine: BrokerEngine | undefined;
  private sessions: Sessions | undefined;
  private socket: BrokerSocket | undefined;
  private committer: Committer | undefined;
  private performer: Performer | undefined;
  private turnPending = false;
  private cancelTick: Cancel = () => undefined;
  private stopping: Promise<void> | undefined;
  /** What the journal found damaged or missing when it was opened. */
  findings: readonly Finding[] = [];

  constructor(options: BrokerOptions) {
    this.options = options;
    this.timers = options.timers ?? defaultTimers;
  }

  /** Resolves with the endpoints bound, ports filled in. */
  async start(): Promise<readonly string[]> {
    const { home, clock, log } = this.options;
    const opened = await openJournal({
      dir: join(home, 'journal'),
      folder: new URL('./fold.js', import.meta.url),
      program: productVersion,
      holder: `grid broker, pid ${process.pid}`,
      wallMs: clock.wall(),
      onTrouble: (error) => log.error({ err: error }, 'the journal could not be folded; it goes on growing'),
    });
    this.journal = opened.journal;
    const { state, findings, replayedGroups } = await recover(opened, this.timers);
    this.findings = findings.filter(({ kind }) => kind !== 'torn').slice(0, keptFindings);
    for (const finding of findings) {
      // A crash may leave a torn, never acknowledged end: worth knowing, not alarming.
      log[finding.kind === 'torn' ? 'info' : 'error']({ finding }, `journal: ${finding.what}`);
    }
    state.lastMono = clock.mono();
    this.engine = new BrokerEngine(state, ({ decision }) => this.committer?.note(decision));
    this.build(this.journal, this.engine);
    const endpoints = await (this.socket as BrokerSocket).start();
    this.tick();
    log.info({ epoch: state.epoch, replayedGroups, live: state.tasks.size, endpoints }, 'broker is up');
    return endpoints;
  }

  private build(journal: Journal, engine: BrokerEngine): void {
    const { grid, identity, authorized, clock, alarms, random, log, endpoints } = this.options;
    const { epoch } = engine.state;
    const sessions = new Sessions({ grid, epoch, timers: this.timers, clock, random, authorized });
    const socket = new BrokerSocket(
      { endpoints, curve: identity.curve, admits: (key) => authorized.admitsCurve(key), alarms },
      {
        onFrame: (peer, frame) => this.guard(() => this.onFrame(peer, frame)),
        onOverflow: (peer) => this.guard(() => this.output(sessions.lost(peer, 'overflow'))),
        onGone: (peer) => this.guard(() => this.output(sessions.lost(peer, 'gone'))),
        onBroken: (error) => this.options.onFatal(error),
      },
    );
    this.sessions = sessions;
    this.socket = socket;
    this.performer = new Performer({
      journal,
      specs: this.specs,
      log,
      peerOf: (session) => sessions.peerOf(session),
      queue: (peer, session, message) => socket.queue(peer, session, message),
      close: (session, why) => this.output(sessions.close(session, why)),
      answered: (session) => this.output(sessions.answered(session, 1)),
      grantLog: (session, task, attempt) => this.grantLog(session, task, attempt),
      shellStatus: () => this.shellStatus(journal),
      findWorker: (id) => dataPlace(engine, id),
    });
    this.committer = new Committer(engine.pipeline, journal, this.specs, alarms, {
      onDurable: (effects) => this.guard(() => this.perform(effects)),
      onStalled: (stalled) => {
        log.warn(
          { stalled },
          stalled ? 'the journal is full: durable work is refused' : 'the journal writes again',
        );
        this.guard(() => this.step({ kind: 'journalStalled', stalled }));
      },
      onFatal: (error) => this.options.onFatal(error),
    });
  }

  /** Idempotent. Attempts go on running on their workers. */
  stop(): Promise<void> {
    this.stopping ??= this.shutDown();
    return this.stopping;
  }

  private async shutDown(): Promise<void> {
    this.cancelTick();
    await this.committer?.stop();
    await this.socket?.stop();
    await this.journal?.close();
  }

  private onFrame(peer: PeerKey, frame: Buffer): void {
    this.output((this.sessions as Sessions).receive(peer, decodeFrame(frame, 'toBroker')));
  }

  private output(outputs: readonly SessionOutput[]): void {
    for (const output of outputs) {
      switch (output.kind) {
        case 'reply':
          this.socket?.queue(output.peer, output.session, output.message);
          break;
        case 'opened':
          this.onOpened(output);
          break;
        case 'closed':
          this.step({ kind: 'sessionClosed', session: output.session });
          break;
        case 'messages':
          this.onMessages(output);
          break;
        default:
          output satisfies never;
      }
    }
  }

  private onOpened({
    session,
    principal,
    role,
    worker,
    hello,
  }: Extract<SessionOutput, { kind: 'opened' }>): void {
    if (hello.kind === 'worker' && hello.head !== null) this.checkWitness(hello.report.name, hello.head);
    this.step({ kind: 'sessionOpened', session, principal, role, worker, peer: hello });
  }

  /** A worker saw a commit that this journal does not hold: its tail was cut, or it is another journal. */
  private checkWitness(worker: string, head: JournalHead): void {
    const { log } = this.options;
    this.journal?.checkWitness(head).then(
      (verdict) => {
        if (verdict === 'known' || verdict === 'unknown') return;
        const what = `${worker} witnessed commit ${head.seq}, which this journal ${verdict === 'cut' ? 'lacks: its end was cut' : 'does not have in that place'}`;
        const finding: Finding = { kind: 'cut', seq: head.seq, what, expected: head.digest, found: null };
        this.findings = [...this.findings, finding].slice(-keptFindings);
        log.error({ finding }, `journal: ${what}`);
      },
      (error: unknown) => this.options.onFatal(error),
    );
  }

  private onMessages({ session, messages }: Extract<SessionOutput, { kind: 'messages' }>): void {
    let answered = 0;
    for (const message of messages) {
      if (message.kind === 'submit') {
        const { seq, floor, key, envelope, body } = message;
        this.step({ kind: 'submit', session, seq, floor, key, spec: this.specs.read(envelope, body) });
      } else {
        if (message.kind !== 'heartbeat') answered += 1;
        this.step({ kind: 'message', session, message });
      }
    }
    if (answered > 0) this.output((this.sessions as Sessions).answered(session, answered));
  }

  private step(event: BrokerEvent): void {
    this.perform((this.engine as BrokerEngine).step(event, this.now()));
    this.endTurnSoon();
  }

  private endTurnSoon(): void {
    if (this.turnPending) return;
    this.turnPending = true;
    setImmediate(() => {
      this.turnPending = false;
      if (this.stopping === undefined) this.guard(() => this.endTurn());
    });
  }

  private endTurn(): void {
    const engine = this.engine as BrokerEngine;
    this.perform(engine.endTurn(this.now()));
    this.committer?.pump();
    if (engine.state.wake) this.endTurnSoon();
  }

  private perform(effects: readonly BrokerEffect[]): void {
    this.performer?.perform(effects);
  }

  private tick(): void {
    this.cancelTick = this.options.alarms.after(this.timers.tickMs, () => {
      this.guard(() => {
        this.output((this.sessions as Sessions).tick());
        this.step({ kind: 'tick' });
      });
      this.tick();
    });
  }

  private shellStatus(journal: Journal): Pick<StatusDocument, 'door' | 'journal'> {
    const { socket, sessions } = this;
    const door = { ...socket?.counters, ...socket?.door.counters, ...sessions?.counters };
    const findings = this.findings.map(({ what }) => what);
    return { door, journal: { ...journal.head(), findings } };
  }

  private now(): Now {
    const { clock } = this.options;
    return { mono: clock.mono(), wall: clock.wall() };
  }

  private grantLog(session: SessionId, task: number, attempt: number): string {
    const { identity, grid, clock } = this.options;
    const principal = this.engine?.state.sessions.get(session)?.principal;
    const expiresAt = clock.wall() + grantMs;
    return signGrant(identity, { grid, op: 'logs', task, attempt, principal, expiresAt });
  }

  /** An exception in the loop is a bug: going on would be guessing. */
  private guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.options.onFatal(error);
    }
  }
}

function dataPlace(engine: BrokerEngine, id: string): { endpoint: string; dataKey: string } | undefined {
  const worker = engine.state.workers.get(id as never);
  const report = worker?.view.report;
  if (!worker || worker.session === null || !report || report.dataEndpoint === '') return undefined;
  return { endpoint: report.dataEndpoint, dataKey: report.dataKey };
}
