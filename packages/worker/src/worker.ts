/**
 * The worker's shell: link, executors, logs, probes and clock around the core. It decides nothing.
 *
 * 1. Stopping ends no container and no process: they run on, and the next start adopts them.
 * 2. Nothing is said to the broker before adoption is complete: the first hello lists all there is (E11). Where that
 *    takes an engine that does not answer yet, `start` resolves and the worker waits for it.
 * 3. One worker at a time has the home.
 */
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { DeviceUuid, PeerHello, TaskKind, ToWorker, Welcome, WorkerReport } from '@gryphgen/protocol';
import { type Cancel, type DataServer, Link, type Service } from '@gryphgen/runtime';
import { lockFolder } from '@gryphgen/runtime/folder-lock';
import Docker from 'dockerode';
import { composeExecutors } from './compose-executors.ts';
import type { WorkerEffect } from './core/effects.ts';
import { autoPressures } from './core/pressure/thresholds.ts';
import { composeHello, whyNotListed } from './core/sessions.ts';
import { createWorkerState, type LeaseFacts, type WorkerState } from './core/state.ts';
import { CoreLoop } from './core-loop.ts';
import { createDataEndpoint, transfers } from './data-endpoint.ts';
import type { ExecutorSet } from './executor-set.ts';
import { HeadFile } from './head-file.ts';
import { defaultLogLimits, LogStore } from './log-store.ts';
import { PressureWatch } from './probe/pressure-watch.ts';
import { WorkerProbe } from './probe/worker-probe.ts';
import type { WorkerConfig, WorkerDeps } from './worker-config.ts';
import { writeNote } from './worker-notes.ts';

/** Machines change slowly: an engine that starts, a card that appears. */
const probeEveryMs = 30_000;
/** An engine that starts beside the worker is there in seconds. */
const joinAgainMs = 2000;

export function createWorker(config: WorkerConfig, deps: WorkerDeps): Service {
  return new Worker(config, deps);
}

/** What exists from the end of `start` on. */
interface Parts {
  readonly logs: LogStore;
  readonly executors: ExecutorSet;
  readonly data: DataServer | null;
  readonly dataEndpoint: string;
}

class Worker implements Service {
  private readonly config: WorkerConfig;
  private readonly deps: WorkerDeps;
  private readonly docker: Docker;
  private readonly boot: string;
  private readonly probe: WorkerProbe;
  private readonly pressures: PressureWatch;
  private readonly loop: CoreLoop;
  private readonly link: Link<'toWorker'>;
  private readonly head: HeadFile;
  private parts: Parts | null = null;
  /** From adoption on. */
  private state: WorkerState | null = null;
  private onAdopted: () => void = () => undefined;
  private readonly adopted = new Promise<void>((resolve) => {
    this.onAdopted = resolve;
  });
  private waitsFor = '';
  private session = '';
  /** The broker's wall clock less `clock.mono`; null until a broker has told. */
  private brokerWallOffset: number | null = null;
  private cancelTick: Cancel = () => undefined;
  private cancelProbe: Cancel = () => undefined;
  private relinking: Promise<void> = Promise.resolve();
  private stopped: Promise<void> | null = null;
  /** What `stop` has to undo, in the order it was done. */
  private readonly undo: (() => Promise<void>)[] = [];

  constructor(config: WorkerConfig, deps: WorkerDeps) {
    const { identity, clock, alarms, random, log } = deps;
    const { grid, brokers, home, name, labels, slots } = config;
    this.config = config;
    this.deps = deps;
    this.docker = deps.docker ?? new Docker();
    this.boot = random.bytes(8).toString('hex');
    this.head = new HeadFile(join(home, 'worker', 'head.json'), log);
    this.probe = new WorkerProbe({
      home,
      name,
      labels,
      slots,
      docker: this.docker,
      nvidiaSmi: deps.nvidiaSmi ?? 'nvidia-smi',
      alarms,
      log,
    });
    const settings = config.pressures ?? autoPressures;
    this.pressures = new PressureWatch({ home, settings, docker: this.docker, clock, alarms, log });
    this.loop = new CoreLoop(clock, (effect) => this.perform(effect));
    this.link = new Link(
      { brokers, grid, identity, role: 'worker', direction: 'toWorker', clock, alarms, random, log },
      {
        hello: () => this.hello(),
        onOpen: (welcome) => this.onOpen(welcome),
        onMessage: (message) => this.onMessage(message),
        onClosed: () => this.loop.post({ kind: 'sessionClosed' }),
        onRefused: (why) => deps.onRefused(why),
      },
    );
  }

  async start(): Promise<void> {
    const { config, deps } = this;
    const folder = join(config.home, 'worker');
    this.lock(folder);
    await this.head.load();
    this.undo.push(() => this.head.close());
    const logs = await LogStore.open(join(folder, 'logs'), config.logLimits ?? defaultLogLimits, deps.log);
    this.undo.push(() => logs.close());
    const executors = composeExecutors(config, deps, this.docker, logs, {
      started: (fence) => this.loop.post({ kind: 'started', fence }),
      exited: (fence, exit) => this.loop.post({ kind: 'exited', fence, exit }),
      startFailed: (fence, why) => this.loop.post({ kind: 'startFailed', fence, failure: why }),
    });
    this.undo.push(() => executors.close());
    this.parts = { logs, executors, ...(await this.serveData(logs, executors)) };
    if (!(await this.join())) this.joinLater();
  }

  /** Two workers of one home would take each other's session (E2) and remove each other's containers. */
  private lock(folder: string): void {
    const taken = lockFolder(folder, 'worker', `process ${process.pid}`);
    if ('heldBy' in taken)
      throw new Error(
        `The worker's folder ${folder} is in use by ${taken.heldBy}. One worker at a time: stop that one, or choose another GRID_HOME.`,
      );
    this.undo.push(async () => taken.lock.release());
  }

  /** False while there may be attempts of an earlier life that cannot be seen. Throws why this machine cannot join. */
  private async join(): Promise<boolean> {
    const { executors } = this.started();
    const { grid } = this.config;
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
      throw new Error(`${surplus}: remove containers that have the label gryphgen.grid=${grid}`);
    const report = await this.report(capabilities, adopted);
    if (this.stopped !== null) return true;
    this.state = createWorkerState(report, this.deps.clock.mono());
    this.loop.begin(this.state, { kind: 'adopted', attempts: adopted });
    this.onAdopted();
    this.undo.push(() => this.link.stop());
    this.link.start();
    this.tick();
    this.probeLater();
    this.pressures.start({ probe: () => executors.probe(), onChange: () => this.tellPressures() });
    return true;
  }

  private joinLater(): void {
    this.cancelProbe = this.deps.alarms.after(joinAgainMs, () => void this.joinAgain());
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
    this.cancelProbe();
    this.pressures.stop();
    this.loop.stop();
    await this.relinking;
    for (const undo of this.undo.splice(0).reverse()) await undo();
  }

  private hello(): PeerHello {
    const state = this.running();
    const { clock } = this.deps;
    const { report, attempts } = composeHello(state, { mono: clock.mono(), wall: clock.wall() });
    return { kind: 'worker', boot: this.boot, report, attempts, head: this.head.latest };
  }

  private onOpen(welcome: Welcome): void {
    const { session, epoch, timers, wallMs } = welcome;
    this.session = session;
    this.brokerWallOffset = wallMs === undefined ? null : wallMs - this.deps.clock.mono();
    this.loop.post({ kind: 'sessionOpened', session, epoch, timers });
    this.deps.onSession?.(welcome);
  }

  private onMessage(message: ToWorker): void {
    this.loop.post({ kind: 'message', session: this.session, message });
  }

  private perform(effect: WorkerEffect): void {
    const { executors } = this.started();
    switch (effect.kind) {
      case 'send':
        // What the link cannot take now is repeated: results by heartbeats, the rest by what they lead to.
        this.link.send(effect.message);
        break;
      case 'start':
        executors.start(effect.order);
        break;
      case 'stop':
        executors.stop(effect.fence, effect.graceMs, effect.why);
        break;
      case 'forget':
        executors.forget(effect.fence);
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
      default:
        effect satisfies never;
    }
  }

  private restartLink(): void {
    if (this.stopped === null) this.link.start();
  }

  private tick(): void {
    const { tickMs } = this.running().timers;
    this.cancelTick = this.deps.alarms.after(tickMs, () => {
      this.loop.post({ kind: 'tick' });
      this.tick();
    });
  }

  private probeLater(): void {
    this.cancelProbe = this.deps.alarms.after(probeEveryMs, () => void this.probeAgain());
  }

  private async probeAgain(): Promise<void> {
    const report = await this.look().catch((error: unknown) => {
      this.deps.log.warn({ err: error }, 'this machine cannot be looked at: its last report stands');
      return null;
    });
    if (this.stopped !== null) return;
    if (report !== null && !isDeepStrictEqual(report, this.running().report))
      this.loop.post({ kind: 'reportChanged', report });
    this.probeLater();
  }

  private async look(): Promise<WorkerReport> {
    const capabilities = await this.started().executors.probe();
    return this.report(capabilities, this.running().attempts.values());
  }

  private async report(
    capabilities: readonly TaskKind[],
    attempts: Iterable<{ readonly facts: LeaseFacts }>,
  ): Promise<WorkerReport> {
    const { data, dataEndpoint, executors } = this.started();
    const held = new Set<DeviceUuid>();
    for (const { facts } of attempts) for (const { uuid } of facts.reservation.devices) held.add(uuid);
    const dataKey = data === null ? '' : this.deps.identity.curve.publicKey;
    const report = await this.pressures.report(capabilities, (offered) =>
      this.probe.report({ capabilities: offered, offers: executors.offers(), dataEndpoint, dataKey, held }),
    );
    return data === null ? report : { ...report, transfers };
  }

  private tellPressures(): void {
    const report = this.pressures.addTo(this.running().report);
    this.loop.post({ kind: 'reportChanged', report });
  }

  private async serveData(
    logs: LogStore,
    executors: ExecutorSet,
  ): Promise<Pick<Parts, 'data' | 'dataEndpoint'>> {
    const { clock } = this.deps;
    const data = createDataEndpoint(this.config, this.deps, {
      logs,
      executors,
      adopted: this.adopted,
      brokerWall: () =>
        this.brokerWallOffset === null ? clock.wall() : clock.mono() + this.brokerWallOffset,
    });
    if (data === null) return { data, dataEndpoint: '' };
    this.undo.push(() => data.stop());
    const [dataEndpoint = ''] = await data.start();
    return { data, dataEndpoint };
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
