/**
 * SYMORQ's shell: frames become events, the core steps, decisions become durable, effects are performed.
 *
 *   frame → sessions → engine.step … (many frames a turn) … → place → committer.pump → journal
 *                          └ ungated effects at once     gated effects when durable ┘
 *
 * 1. No synchronous I/O in the loop: the journal has its own thread, logs of the hot path do not exist.
 * 2. A turn ends once, after the frames of one event-loop turn: placement and commits are per turn, not per message.
 */
import { join } from 'node:path';
import {
  decodeFrame,
  defaultTimers,
  type JournalHead,
  noPrincipalLimits,
  productVersion,
  type RequestArgs,
  type StandingDocument,
  type Timers,
} from '@gryphgen/protocol';
import { BrokerSocket, type Cancel, reachable } from '@gryphgen/runtime';
import { ArtifactService } from './artifacts/artifact-service.ts';
import { AuditDesk, auditBounds } from './audit/audit-desk.ts';
import { BrokerLoop } from './broker-loop.ts';
import type { BrokerOptions } from './broker-options.ts';
import type { ShellStatus } from './core/effects.ts';
import type { BrokerState } from './core/state.ts';
import { heldOf } from './core/workers/artifacts.ts';
import { onEnrolment } from './enrolment.ts';
import { RunningCheck } from './fsck/running-check.ts';
import { grantFor } from './grant-signing.ts';
import type { Finding, Journal } from './journal/journal.ts';
import { openJournal } from './journal/open-journal.ts';
import { PolicyJudge } from './judging/policy-judge.ts';
import { recover } from './recovery.ts';
import { announce } from './standing.ts';

/** Findings told to who asks for the status; the log has them all. */
const keptFindings = 100;

export class Broker {
  private readonly options: BrokerOptions;
  private readonly timers: Timers;
  private journal: Journal | undefined;
  private socket: BrokerSocket | undefined;
  private loop: BrokerLoop | undefined;
  private artifacts: ArtifactService | undefined;
  private bound: readonly string[] = [];
  private turnPending = false;
  private cancelTick: Cancel = () => undefined;
  private stopping: Promise<void> | undefined;
  private readonly checking: RunningCheck;
  private judge: PolicyJudge | undefined;
  private desk: AuditDesk | undefined;
  /** What the journal found damaged or missing when it was opened. */
  findings: readonly Finding[] = [];

  constructor(options: BrokerOptions) {
    this.options = options;
    this.timers = options.timers ?? defaultTimers;
    this.checking = new RunningCheck(options.home);
  }

  /** Resolves with the endpoints bound, ports filled in. Rejects with what went wrong, and has let go of everything. */
  async start(): Promise<readonly string[]> {
    try {
      return await this.open();
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  private async open(): Promise<readonly string[]> {
    const { home, clock, log } = this.options;
    const opened = await (this.options.openJournal ?? openJournal)({
      dir: join(home, 'journal'),
      folder: new URL('./fold.js', import.meta.url),
      program: productVersion,
      holder: `grid broker, pid ${process.pid}`,
      wallMs: clock.wall(),
      settings: this.options.journal ?? {},
      onTrouble: (error) => log.error({ err: error }, 'the journal could not be folded; it goes on growing'),
      onFinding: (finding) => this.onFinding(finding),
    });
    this.journal = opened.journal;
    const { state, findings, replayedGroups } = await recover(opened, this.options);
    this.findings = findings.filter(({ kind }) => kind !== 'torn').slice(0, keptFindings);
    for (const finding of findings) {
      // A crash may leave a torn, never acknowledged end: worth knowing, not alarming.
      log[finding.kind === 'torn' ? 'info' : 'error']({ finding }, `journal: ${finding.what}`);
    }
    state.lastMono = clock.mono();
    this.desk = this.openDesk(opened.journal);
    this.loop = this.build(this.journal, state);
    await this.desk.start(state.audited);
    const endpoints = await (this.socket as BrokerSocket).start();
    this.bound = endpoints;
    this.startArtifacts(this.loop);
    this.tick();
    log.info({ epoch: state.epoch, replayedGroups, live: state.tasks.size, endpoints }, 'broker is up');
    return endpoints;
  }

  private openDesk(journal: Journal): AuditDesk {
    const { home, grid, identity, signer = identity, clock, log, audit } = this.options;
    return new AuditDesk({
      ...auditBounds,
      ...audit,
      home,
      grid,
      signer,
      journalHead: () => journal.head(),
      wallMs: () => clock.wall(),
      log,
      onWritten: (head) => this.guard(() => this.stopping === undefined && this.loop?.audited(head)),
    });
  }

  private build(journal: Journal, state: BrokerState): BrokerLoop {
    const { grid, identity, authorized, clock, alarms, random, log, endpoints } = this.options;
    const socket = new BrokerSocket(
      { endpoints, curve: identity.curve, admits: (key, from) => this.admits(key, from), alarms },
      {
        onFrame: (peer, frame) =>
          this.guard(() => loop.receive(peer, decodeFrame(frame, 'toBroker'), frame.length)),
        onOverflow: (peer) => this.guard(() => loop.lost(peer, 'overflow')),
        onGone: (peer) => this.guard(() => loop.lost(peer, 'gone')),
        onBroken: (error) => this.options.onFatal(error),
      },
    );
    this.socket = socket;
    const judge = new PolicyJudge(journal, alarms);
    this.judge = judge;
    const loop = new BrokerLoop({
      grid,
      state,
      journal,
      clock,
      alarms,
      random,
      authorized,
      log,
      ...(this.desk !== undefined && { audit: this.desk }),
      queue: (...said) => socket.queue(...said),
      perform: (effects, one) => {
        for (const effect of effects) one(effect);
      },
      defer: (job) => this.guard(job),
      stepped: () => this.endTurnSoon(),
      waits: () => this.endTurnSoon(),
      decided: () => undefined,
      opened: (hello, worker) => {
        if (hello.kind === 'worker' && hello.head !== null) this.checkWitness(worker, hello.head);
      },
      seen: (key) => authorized.seen(key, clock.wall()),
      revoke: async (worker) => (await authorized.revokeWorker(worker))?.key,
      enrolment: (effect) => {
        const tools = { grid, authorized, loop, reachableAt: () => this.reachableAt() };
        const stored = () => this.artifacts?.stored ?? null;
        return onEnrolment(effect, { ...tools, stored, announce: (order) => this.announce(order, loop) });
      },
      voucher: () => this.options.standing?.voucher ?? '',
      fsck: () => this.checking.check(),
      judge: (order) => judge.judge(order),
      revoked: () => authorized.revokedPrincipals(),
      voided: (principals) => this.artifacts?.revoke(principals),
      grant: (...asked) => grantFor({ grid, identity, random, loop }, ...asked),
      beside: () => this.artifacts?.beside ?? null,
      shellStatus: () => this.shellStatus(journal),
      onFatal: (error) => this.options.onFatal(error),
    });
    return loop;
  }

  private reachableAt(): readonly string[] {
    const { brokers = [] } = this.options.standing?.document ?? {};
    return brokers.length > 0 ? brokers : this.bound.flatMap(reachable);
  }

  private announce(order: RequestArgs<'announce'>, loop: BrokerLoop): Promise<StandingDocument> {
    const { standing, onChanged } = this.options;
    return announce(order, standing, (newKey) => {
      // The asker has its answer first: it would ask again in the session that it begins with the new key.
      setImmediate(() => {
        this.guard(() => loop.announced());
        onChanged?.(newKey);
      });
    });
  }

  private admits(curveKey: string, address: string): boolean {
    const admitted = this.options.authorized.admitsCurve(curveKey);
    this.desk?.door(curveKey, address, admitted);
    return admitted;
  }

  private startArtifacts(loop: BrokerLoop): void {
    const { artifacts, grid, identity, alarms, random, log } = this.options;
    if (artifacts === undefined) return;
    this.artifacts = new ArtifactService({
      ...{ ...artifacts, grid, identity, alarms, random, log },
      wallMs: () => loop.sessions.wallMs(),
      principalLimits: this.options.principalLimits ?? noPrincipalLimits,
      held: (asked) => heldOf(loop.engine.state, asked),
      revoked: () => loop.revoked(),
    });
    this.artifacts.start();
  }

  /** Idempotent. Attempts go on running on their workers. */
  stop(): Promise<void> {
    this.stopping ??= this.shutDown();
    return this.stopping;
  }

  private async shutDown(): Promise<void> {
    this.cancelTick();
    await this.checking.stop();
    await this.judge?.stop();
    await this.artifacts?.stop();
    await this.loop?.committer.stop();
    await this.socket?.stop();
    await this.desk?.stop();
    await this.options.authorized.saveSeen();
    await this.journal?.close();
  }

  /** A worker saw a commit that this journal does not hold: its tail was cut, or it is another journal. */
  private checkWitness(worker: string, head: JournalHead): void {
    const { journal } = this;
    journal?.checkWitness(head).then(
      (verdict) => {
        this.checking.note({ worker, head, verdict });
        if (verdict === 'known' || verdict === 'unknown') return;
        const words =
          verdict === 'cut'
            ? `lacks: it ended at commit ${journal.head().seq}, and what came after that is missing`
            : 'does not have in that place: what came between is missing, or was written anew';
        const what = `${worker} witnessed commit ${head.seq}, which this journal ${words}`;
        const finding: Finding = { kind: 'cut', seq: head.seq, what, expected: head.digest, found: null };
        this.onFinding(finding);
      },
      (error: unknown) => this.options.onFatal(error),
    );
  }

  private onFinding(finding: Finding): void {
    this.findings = [...this.findings, finding].slice(-keptFindings);
    this.options.log.error({ finding }, `journal: ${finding.what}`);
  }

  private endTurnSoon(): void {
    if (this.turnPending) return;
    this.turnPending = true;
    setImmediate(() => {
      if (this.stopping === undefined) this.guard(() => this.endTurn());
    });
  }

  private endTurn(): void {
    const loop = this.loop as BrokerLoop;
    loop.endTurn();
    // Not before: what is placed needs no further turn of its own.
    this.turnPending = false;
    loop.commit();
    if (loop.wakes) this.endTurnSoon();
  }

  private tick(): void {
    this.cancelTick = this.options.alarms.after(this.timers.tickMs, () => {
      this.guard(() => {
        this.loop?.tick();
        this.desk?.tick();
      });
      this.tick();
    });
  }

  private shellStatus(journal: Journal): ShellStatus {
    const { socket, loop } = this;
    const held = loop?.engine.pipeline.held ?? 0;
    const door = {
      ...socket?.counters,
      ...socket?.door.counters,
      ...loop?.sessions.counters,
      held,
      auditLost: this.desk?.dropped ?? 0,
    };
    for (const [name, count] of Object.entries(this.artifacts?.counters ?? {}))
      Object.assign(door, { [`artifacts ${name}`]: count });
    const findings = this.findings.map(({ what }) => what);
    const beside = this.artifacts?.beside?.place ?? null;
    return { door, journal: { ...journal.head(), findings }, beside };
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
