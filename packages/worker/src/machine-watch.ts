/**
 * Keeps the worker's report true: looks at the whole machine now and then, and at its devices more often while attempts
 * hold some.
 *
 * 1. What a look at the devices alone finds is told at once only when placement would see it, or there is new trouble:
 *    temperatures and clocks wait for the report that is due anyway.
 * 2. A machine that was not measured yet is after a look at which nothing of the grid runs here.
 * 3. Once nothing is held any more the devices are looked at once more: what their holders held is free from then on.
 */
import { isDeepStrictEqual } from 'node:util';
import type { TaskKind, WorkerReport } from '@gryphgen/protocol';
import type { Alarms, Cancel, Log } from '@gryphgen/runtime';
import { placesAlike } from '@gryphgen/scheduler';
import type { Calibrator } from './calibration/calibrator.ts';
import type { SeenDevice } from './core/device-claims.ts';
import { type Fence, keyOf } from './core/fence.ts';
import type { LeaseFacts } from './core/state.ts';
import { watchEngineList } from './engines/engine-list.ts';
import type { ExecutorSet } from './executor-set.ts';
import type { Holder } from './probe/device-probe.ts';
import type { PressureWatch } from './probe/pressure-watch.ts';
import type { WorkerProbe } from './probe/worker-probe.ts';

/** Machines change slowly: an engine that starts, a card that appears. */
const wholeEveryMs = 30_000;
/** A program fills a card in seconds; a look costs the driver some 100 ms of one CPU thread. */
const devicesEveryMs = 5000;

/** An attempt that is here. */
interface Present {
  readonly fence: Fence;
  readonly facts: LeaseFacts;
}

export interface MachineWatchOptions {
  readonly probe: Pick<WorkerProbe, 'report' | 'refreshDevices' | 'seen'> & {
    readonly calibrator: Pick<Calibrator, 'measureIfUnknown'>;
  };
  readonly pressures: Pick<PressureWatch, 'start' | 'stop' | 'report' | 'addTo'>;
  readonly alarms: Alarms;
  readonly log: Log;
  /** `$GRID_HOME`, whose list of engines is looked at as soon as it changes. */
  readonly home?: string;
  readonly endpoint: Pick<WorkerReport, 'dataEndpoint' | 'dataKey' | 'transfers'>;
  readonly executors: Pick<ExecutorSet, 'probe' | 'offers' | 'labels' | 'warm' | 'engines' | 'shards'>;
  /** The attempts that are here. */
  attempts(): Iterable<Present>;
  /** The report that stands. */
  standing(): WorkerReport;
  changed(report: WorkerReport): void;
}

export class MachineWatch {
  private readonly options: MachineWatchOptions;
  private cancelWhole: Cancel = () => undefined;
  private cancelDevices: Cancel = () => undefined;
  private wasHeld = false;
  private engineList: { close(): void } | null = null;
  private looks: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(options: MachineWatchOptions) {
    this.options = options;
  }

  /** What this machine is now. Throws when there is nothing to tell, at first or at all. */
  async report(able: readonly TaskKind[], attempts: Iterable<Present>): Promise<WorkerReport> {
    const { probe, pressures, endpoint, executors } = this.options;
    const holders = holdersOf(attempts);
    const report = await pressures.report(able, (capabilities) =>
      probe.report({
        capabilities,
        offers: executors.offers(),
        labels: executors.labels(),
        ...endpoint,
        holders,
      }),
    );
    const { warm, engines, shards } = executors;
    return {
      ...{ ...report, ...endpoint },
      ...(shards && { retrieval: shards }),
      ...(warm > 0 && { warm }),
      ...(engines.length > 0 && { engines }),
    };
  }

  start(): void {
    const { pressures, executors, standing, changed } = this.options;
    this.wholeLater();
    this.devicesLater();
    this.watchEngines();
    pressures.start({
      probe: () => executors.probe(),
      standing,
      onChange: () => changed(pressures.addTo(standing())),
    });
  }

  stop(): void {
    this.stopped = true;
    this.cancelWhole();
    this.cancelDevices();
    this.engineList?.close();
    this.options.pressures.stop();
  }

  /** Once more, behind the look under way if there is one: something has changed just now. */
  lookNow(): Promise<void> {
    this.looks = this.looks.then(() => this.lookAtAll());
    return this.looks;
  }

  get seen(): readonly SeenDevice[] {
    return this.options.probe.seen;
  }

  /** At the devices that attempts hold, now; the same look as anybody's who asks meanwhile. */
  async look(): Promise<readonly SeenDevice[]> {
    await this.lookAtDevices();
    return this.seen;
  }

  /** `about`: what alone has changed, where that is known without a look. */
  async tellNow(about?: 'shards'): Promise<void> {
    const { executors, standing, changed } = this.options;
    if (about === undefined) await this.lookNow();
    else if (!this.stopped) changed({ ...standing(), retrieval: executors.shards });
  }

  private watchEngines(): void {
    const { home, log } = this.options;
    if (home === undefined) return;
    const failed = (error: unknown): void =>
      log.warn({ err: error }, 'the list of engines cannot be watched');
    this.engineList = watchEngineList(home, () => void this.lookNow(), failed);
  }

  private wholeLater(): void {
    this.cancelWhole();
    this.cancelWhole = this.options.alarms.after(wholeEveryMs, () => void this.lookNow());
  }

  private devicesLater(): void {
    this.cancelDevices();
    this.cancelDevices = this.options.alarms.after(devicesEveryMs, () => void this.lookAtDevices());
  }

  private async lookAtAll(): Promise<void> {
    const { executors, attempts, standing } = this.options;
    await this.tellChange(async () => {
      const capabilities = await executors.probe();
      const report = await this.report(capabilities, attempts());
      return isDeepStrictEqual(report, standing()) ? null : report;
    });
    if (this.stopped) return;
    this.wholeLater();
    void this.measureWhileIdle();
  }

  /** Not at the start: machines have much to do then. */
  private async measureWhileIdle(): Promise<void> {
    const { attempts, probe } = this.options;
    for (const _ of attempts()) return;
    if ((await probe.calibrator.measureIfUnknown()) && !this.stopped) await this.lookNow();
  }

  private async lookAtDevices(): Promise<void> {
    const { probe, pressures, attempts, standing } = this.options;
    const holders = holdersOf(attempts());
    const isHeld = holders.length > 0;
    if (isHeld || this.wasHeld) {
      await this.tellChange(async () => {
        const report = pressures.addTo(await probe.refreshDevices(standing, holders));
        const before = standing();
        const isSame =
          placesAlike(report, before) && isDeepStrictEqual(report.troubles ?? [], before.troubles ?? []);
        return isSame ? null : report;
      });
    }
    this.wasHeld = isHeld;
    if (!this.stopped) this.devicesLater();
  }

  /** `look`: null when there is nothing to tell. */
  private async tellChange(look: () => Promise<WorkerReport | null>): Promise<void> {
    const report = await look().catch((error: unknown) => {
      this.options.log.warn({ err: error }, 'this machine cannot be looked at: its last report stands');
      return null;
    });
    if (report !== null && !this.stopped) this.options.changed(report);
  }
}

/** Those of the attempts that hold devices. */
function holdersOf(attempts: Iterable<Present>): readonly Holder[] {
  return [...attempts].flatMap(({ fence, facts }) => {
    const shares = facts.reservation.devices;
    return shares.length > 0 ? [{ key: keyOf(fence), shares }] : [];
  });
}
