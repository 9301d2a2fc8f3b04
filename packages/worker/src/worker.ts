/**
 * The worker's shell: link, executors, logs, probes and clock around the core. It decides nothing.
 *
 * 1. Stopping ends no container and no process: they run on, and the next start adopts them.
 * 2. Nothing is said to the broker before adoption is complete: the first hello lists all there is (E11). Where that
 *    takes an engine that does not answer yet, `start` resolves and the worker waits for it.
 * 3. One worker at a time has the home.
 */
import { join } from 'node:path';
import type { PeerHello, ToWorker, Welcome } from '@gryphgen/protocol';
import { AnswerChannels, type Cancel, Link, type Service } from '@gryphgen/runtime';
import type Docker from 'dockerode';
import { AttemptFiles } from './artifacts/attempt-files.ts';
import { BrokerQuestions } from './artifacts/broker-questions.ts';
import { BrokerWall } from './broker-wall.ts';
import { composeExecutors } from './compose-executors.ts';
import type { WorkerEffect } from './core/effects.ts';
import { overuseTroubles } from './core/overuse.ts';
import { autoPressures } from './core/pressure/thresholds.ts';
import { composeHello, whyNotListed } from './core/sessions.ts';
import { createWorkerState, type WorkerState } from './core/state.ts';
import { memoryOfAttempts } from './core/use.ts';
import { CoreLoop } from './core-loop.ts';
import { type DataEndpoint, type Endpoint, serveData } from './data-endpoint.ts';
import type { ExecutorSet } from './executor-set.ts';
import { connectEngine } from './executors/engine-connection.ts';
import { HeadFile } from './head-file.ts';
import { LogCopies } from './log-copies.ts';
import { defaultLogLimits, LogStore } from './log-store.ts';
import { MachineWatch } from './machine-watch.ts';
import { PressureWatch } from './probe/pressure-watch.ts';
import { WorkerProbe } from './probe/worker-probe.ts';
import type { WorkerConfig, WorkerDeps } from './worker-config.ts';
import { lockWorkerHome } from './worker-home.ts';
import { writeNote } from './worker-notes.ts';

/** An engine that starts beside the worker is there in seconds. */
const joinAgainMs = 2000;

export function createWorker(config: WorkerConfig, deps: WorkerDeps): Service {
  return new Worker(config, deps);
}

/** What exists from the end of `start` on. */
interface Parts {
  readonly logs: LogStore;
  readonly copies: LogCopies;
  readonly files: AttemptFiles;
  readonly executors: ExecutorSet;
  readonly watch: MachineWatch;
  readonly data: DataEndpoint;
}

class Worker implements Service {
  private readonly config: WorkerConfig;
  private readonly deps: WorkerDeps;
  private readonly docker: Docker;
  private readonly boot: string;
  private readonly probe: WorkerProbe;
  private readonly loop: CoreLoop;
  private readonly link: Link<'toWorker'>;
  private readonly head: HeadFile;
  private readonly questions: BrokerQuestions;
  private parts: Parts | null = null;
  /** From adoption on. */
  private state: WorkerState | null = null;
  private onAdopted: () => void = () => undefined;
  private readonly adopted = new Promise<void>((resolve) => {
    this.onAdopted = resolve;
  });
  private waitsFor = '';
  private session = '';
  private readonly brokerWall: BrokerWall;
  private cancelTick: Cancel = () => undefined;
  private cancelJoin: Cancel = () => undefined;
  private relinking: Promise<void> = Promise.resolve();
  private starting: Promise<void> = Promise.resolve();
  private stopped: Promise<void> | null = null;
  /** What `stop` has to undo, in the order it was done. */
  private readonly undo: (() => Promise<void>)[] = [];

  constructor(config: WorkerConfig, deps: WorkerDeps) {
    const { clock, alarms, random, log } = deps;
    const { grid, brokers, home, name, labels, slots } = config;
    this.config = config;
    this.deps = deps;
    this.brokerWall = new BrokerWall(clock);
    this.docker = deps.docker ?? connectEngine();
    this.boot = random.bytes(8).toString('hex');
    this.head = new HeadFile(join(home, 'worker', 'head.json'), log);
    this.probe = new WorkerProbe({
      ...deps,
      ...{ home, name, labels, slots, calibrate: config.calibrate },
      docker: this.docker,
      nvidiaSmi: deps.nvidiaSmi ?? 'nvidia-smi',
      ownersOf: (pids) => this.started().executors.ownersOf(pids),
      onSeen: (devices) => this.loop.post({ kind: 'devicesSeen', devices }),
      concerns: () => this.concerns(),
    });
    this.loop = new CoreLoop(clock, (effect) => this.perform(effect));
    this.link = new Link(
      { ...deps, brokers, grid, role: 'worker', direction: 'toWorker' },
      {
        hello: () => this.hello(),
        onOpen: (welcome) => this.onOpen(welcome),
        onMessage: (message) => this.onMessage(message),
        onClosed: () => this.loop.post({ kind: 'sessionClosed' }),
        onRefused: (why) => deps.onRefused(why),
      },
    );
    this.questions = new BrokerQuestions(this.link, alarms);
  }

  start(): Promise<void> {
    this.starting = this.begin();
    return this.starting;
  }

  private async begin(): Promise<void> {
    const { config, deps } = this;
    const folder = join(config.home, 'worker');
    this.undo.push(lockWorkerHome(folder));
    for (const kept of [this.head, this.probe.calibrator]) {
      await kept.load();
      this.undo.push(() => kept.close());
    }
    const logs = await LogStore.open(join(folder, 'logs'), config.logLimits ?? defaultLogLimits, deps);
    this.undo.push(() => logs.close());
    const files = await this.openFiles(join(folder, 'artifacts'));
    const answers = new AnswerChannels(deps);
    const { executors, push, rates } = composeExecutors(config, deps, this.docker, logs, files, answers, {
      ...this.loop.executorEvents(),
      offersChanged: (about) => this.started().watch.tellNow(about),
      looks: () => this.started().watch,
    });
    this.undo.push(() => executors.close());
    this.probe.calibrator.measureModelsBy(rates);
    const data = await serveData(config, deps, {
      ...{ logs, executors, push, answers, adopted: this.adopted, store: files.store },
      ...{ questions: this.questions, brokerWall: () => this.brokerWall.ms(), undo: this.undo },
    });
    const watch = this.newWatch(executors, data.endpoint);
    const copies = new LogCopies({
      ...deps,
      ...{ logs, questions: this.questions },
      held: () => this.running().attempts.values(),
    });
    this.parts = { logs, copies, files, executors, watch, data };
    if (this.stopped === null && !(await this.join())) this.joinLater();
  }

  private openFiles(folder: string): Promise<AttemptFiles> {
    const { questions, config, deps } = this;
    this.undo.push(async () => questions.close());
    return AttemptFiles.open({ ...deps, questions, folder, budgetBytes: config.artifactsBytes ?? 'auto' });
  }

  /** False while there may be attempts of an earlier life that cannot be seen. Throws why this machine cannot join. */
  private async join(): Promise<boolean> {
    const { executors, files, copies, watch, data } = this.started();
    const capabilities = await executors.probe();
    const adopted = await executors.adopt();
    if ('notYet' in adopted) {
      if (this.waitsFor !== adopted.notYet)
        this.deps.log.warn({ why: adopted.notYet }, 'waiting before the first word to the broker');
      this.waitsFor = adopted.notYet;
      return false;
    }
    const surplus = whyNotListed(adopted);
    if (surplus !== null)
      throw new Error(`${surplus}: remove containers that have the label gryphgen.grid=${this.config.grid}`);
    await files.retain(adopted.map(({ fence }) => fence));
    const report = await watch.report(capabilities, adopted);
    if (this.stopped !== null) return true;
    this.state = createWorkerState(report, this.deps.clock.mono());
    this.loop.begin(this.state, { kind: 'adopted', attempts: adopted });
    this.onAdopted();
    this.undo.push(() => this.link.stop());
    this.link.start();
    this.tick();
    this.undo.push(async () => watch.stop());
    watch.start();
    if (this.config.calibrate) void watch.lookNow();
    this.undo.push(() => copies.stop());
    copies.begin();
    data.beRelayed();
    return true;
  }

  private joinLater(): void {
    this.cancelJoin = this.deps.alarms.after(joinAgainMs, () => void this.joinAgain());
  }

  private async joinAgain(): Promise<void> {
    const joined = await this.join().catch((error: unknown) => {
      this.deps.log.error({ err: error }, 'this machine cannot join the grid yet');
      return false;
    });
    if (!joined && this.stopped === null) this.joinLater();
  }

  stop(): Promise<void> {
    this.stopped ??= this.shutDown();
    return this.stopped;
  }

  private async shutDown(): Promise<void> {
    this.cancelTick();
    this.cancelJoin();
    this.loop.stop();
    await this.relinking;
    // What it is opening can only be closed when it is open; it goes no further than its next look at `stopped`.
    await this.starting.catch(() => undefined);
    for (const undo of this.undo.splice(0).reverse()) await undo();
  }

  private hello(): PeerHello {
    const state = this.running();
    const { clock } = this.deps;
    const { report, attempts } = composeHello(state, { mono: clock.mono(), wall: clock.wall() });
    return { kind: 'worker', boot: this.boot, report, attempts, head: this.head.latest };
  }

  private onOpen(welcome: Welcome): void {
    const { session, epoch, timers } = welcome;
    this.session = session;
    this.brokerWall.told(welcome);
    this.loop.post({ kind: 'sessionOpened', session, epoch, timers });
    this.questions.askAgain();
    this.deps.onSession?.(welcome);
  }

  private onMessage(message: ToWorker): void {
    if (message.kind === 'reply') this.questions.onReply(message);
    else if (message.kind === 'revoked') this.started().data.revoke(message.principals);
    else this.loop.post({ kind: 'message', session: this.session, message });
  }

  private perform(effect: WorkerEffect): void {
    const { executors, files, logs, copies } = this.started();
    switch (effect.kind) {
      case 'send':
        // What the link cannot take now is repeated: results by heartbeats, the rest by what they lead to.
        this.link.send(effect.message);
        break;
      case 'start':
        this.probe.calibrator.interrupt();
        executors.start(effect.order);
        break;
      case 'stop':
      case 'recall':
        executors.end(effect);
        break;
      case 'forget':
        executors.forget(effect.fence);
        files.forget(effect.fence);
        copies.begin();
        break;
      case 'witness':
        this.head.save(effect.head);
        break;
      case 'leaveSession':
        this.deps.log.warn({ why: effect.why }, 'leaving the session to begin a new one');
        this.relinking = this.relinking.then(() => this.link.stop()).then(() => this.restartLink());
        break;
      case 'note':
        writeNote(this.deps.log, effect.note);
        break;
      case 'remark':
        logs.remark(effect.fence.task, effect.fence.attempt, effect.words);
        break;
      default:
        effect satisfies never;
    }
  }

  private restartLink(): void {
    if (this.stopped === null) this.link.start();
  }

  private tick(): void {
    this.cancelTick = this.deps.alarms.after(this.running().timers.tickMs, () => {
      this.loop.post({ kind: 'tick', fetched: this.parts?.files.awaited.fetched });
      this.tick();
    });
  }

  private newWatch(executors: ExecutorSet, endpoint: Endpoint): MachineWatch {
    const { probe, docker, config } = this;
    const settings = config.pressures ?? autoPressures;
    const attemptBytes = () => memoryOfAttempts(this.state?.attempts.values() ?? []);
    return new MachineWatch({
      ...this.deps,
      probe,
      pressures: new PressureWatch({ ...this.deps, home: config.home, settings, docker, attemptBytes }),
      ...{ executors, endpoint, home: config.home },
      ...{ attempts: () => this.running().attempts.values(), standing: () => this.running().report },
      changed: (report) => {
        executors.press((report.pressures ?? []).some(({ stops }) => stops.includes('container')));
        this.loop.post({ kind: 'reportChanged', report });
      },
    });
  }

  private concerns(): readonly string[] {
    const overused = this.state === null ? [] : overuseTroubles(this.state);
    return [...(this.parts?.executors.troubles ?? []), ...overused];
  }

  private started(): Parts {
    if (this.parts === null) throw new Error('the worker has not started');
    return this.parts;
  }

  private running(): WorkerState {
    if (this.state === null) throw new Error('the worker has not adopted yet');
    return this.state;
  }
}
