/**
 * Looks every few seconds for what presses on this machine, between the slower looks that make its report.
 *
 * 1. A question that hangs costs its own answer only, and is not put again before it has ended (question.ts).
 * 2. An engine that worked in this life and does not answer is stuck, not gone: containers are still offered, and the
 *    pressure keeps them away until the executor itself has found that it can run them.
 */
import type { TaskKind, WorkerReport } from '@gryphgen/protocol';
import type { Alarms, Cancel, Clock, Log } from '@gryphgen/runtime';
import type Docker from 'dockerode';
import { type DiskReading, type MemoryReading, Pressures } from '../core/pressure/pressures.ts';
import type { PressureSettings } from '../core/pressure/thresholds.ts';
import { askFolder, questionsTo } from '../executors/engine-questions.ts';
import { readDisks, readMemory } from './machine-readings.ts';
import { Question } from './question.ts';

const lookEveryMs = 5000;
/** A healthy engine answers a ping in milliseconds. */
const answerMs = 4000;

/** Others move this much about without meaning to stay. */
const foreignStep = 256 * 1024 ** 2;

export interface PressureWatchOptions {
  readonly home: string;
  readonly settings: PressureSettings;
  readonly docker: Docker;
  readonly clock: Clock;
  readonly alarms: Alarms;
  readonly log: Log;
  /** Host memory that is the attempts'. */
  attemptBytes(): number;
}

export interface WatchOwner {
  /** The kinds of tasks that can run now, found out anew. */
  probe(): Promise<readonly TaskKind[]>;
  /** The report that stands. */
  standing(): WorkerReport;
  /** A pressure has begun, goes on or has ended, or others hold more of the memory, or less. */
  onChange(): void;
}

export class PressureWatch {
  private readonly options: PressureWatchOptions;
  private readonly pressures: Pressures;
  private readonly askDisks: Question<readonly DiskReading[]>;
  private readonly askEngine: Question<unknown>;
  private readonly askRoot: Question<string>;
  private engine: 'none' | 'answers' | 'silent' = 'none';
  /** Where the engine keeps its data; null until it has told. */
  private engineRoot: string | null = null;
  private held: ReadonlyMap<string, string> = new Map();
  private memory: MemoryReading | undefined;
  /** Host memory held outside the grid as it was told last, in steps. */
  private toldSteps = 0;
  private cancel: Cancel = () => undefined;
  private stopped = false;

  constructor(options: PressureWatchOptions) {
    const { home, settings, docker, alarms } = options;
    const bounds = { limitMs: answerMs, alarms };
    this.options = options;
    this.pressures = new Pressures(settings);
    this.askDisks = new Question({
      what: 'the disk',
      ...bounds,
      put: () => readDisks(home, this.engineRoot || null),
    });
    this.askEngine = new Question({
      what: 'the engine',
      ...bounds,
      put: (abortSignal) => questionsTo(docker).ping({ abortSignal }),
    });
    this.askRoot = new Question({
      what: 'the engine, asked for its folder,',
      ...bounds,
      put: (abortSignal) => askFolder(docker, abortSignal),
    });
  }

  start(owner: WatchOwner): void {
    this.cancel = this.options.alarms.after(lookEveryMs, () => void this.lookAgain(owner));
  }

  stop(): void {
    this.stopped = true;
    this.cancel();
  }

  /** The report of `make`, with what presses. `able`: the kinds that can run now; `make` is told what to offer. */
  async report(
    able: readonly TaskKind[],
    make: (offered: readonly TaskKind[]) => Promise<WorkerReport>,
  ): Promise<WorkerReport> {
    this.takeKinds(able);
    const [report] = await Promise.all([make(this.offered(able)), this.look()]);
    this.pressures.readDevices(report.devices, this.options.clock.mono());
    this.note();
    return this.addTo(report);
  }

  addTo(report: WorkerReport): WorkerReport {
    const { memory } = this;
    const pressed = this.pressures.addTo(report, this.options.clock.mono());
    if (memory === undefined) return pressed;
    const foreignBytes = this.foreignBytes(memory, report.memoryBytes);
    this.toldSteps = stepsOf(foreignBytes);
    return { ...pressed, foreignBytes };
  }

  /** Where the worker may have less than the host has, what is available of that counts. */
  private foreignBytes({ totalBytes, availableBytes }: MemoryReading, memoryBytes: number): number {
    const usedBytes = Math.min(totalBytes, memoryBytes) - availableBytes;
    return Math.max(0, usedBytes - this.options.attemptBytes());
  }

  /** Whether what is outside the grid holds another amount than was told, as far as placement looks. */
  private hasMoved(standing: WorkerReport): boolean {
    const { memory } = this;
    return (
      memory !== undefined && stepsOf(this.foreignBytes(memory, standing.memoryBytes)) !== this.toldSteps
    );
  }

  private offered(able: readonly TaskKind[]): readonly TaskKind[] {
    return this.engine === 'silent' ? ['container', ...able] : able;
  }

  private takeKinds(able: readonly TaskKind[]): void {
    if (able.includes('container')) this.engine = 'answers';
    else if (this.engine === 'answers') this.engine = 'silent';
  }

  private async lookAgain(owner: WatchOwner): Promise<void> {
    if (this.engine === 'silent') this.takeKinds(await owner.probe());
    else if (this.engine === 'answers' && !(await this.pings())) this.engine = 'silent';
    await this.look();
    if (this.stopped) return;
    // While something presses, with each look: for how long it has, and how far it is from its end.
    if (this.note() || this.held.size > 0 || this.hasMoved(owner.standing())) owner.onChange();
    this.start(owner);
  }

  private async look(): Promise<void> {
    const { clock } = this.options;
    if (this.engine === 'answers') this.engineRoot ??= await this.askRoot.ask().catch(() => null);
    const [disks, memory] = await Promise.all([this.askDisks.ask().catch(() => []), readMemory()]);
    const { engine } = this;
    this.memory = memory;
    this.pressures.read({ disks, memory, engine }, { mono: clock.mono(), wall: clock.wall() });
  }

  private async pings(): Promise<boolean> {
    return this.askEngine.ask().then(
      () => true,
      () => false,
    );
  }

  /** Whether a pressure has begun or ended since the last time; the log is told which. */
  private note(): boolean {
    const { log } = this.options;
    const before = this.held;
    this.held = this.pressures.held();
    let changed = false;
    for (const [pressure, words] of this.held) {
      if (before.has(pressure)) continue;
      changed = true;
      log.warn({ pressure, why: words }, 'under pressure: what it stops is not taken');
    }
    for (const pressure of before.keys()) {
      if (this.held.has(pressure)) continue;
      changed = true;
      log.info({ pressure }, 'a pressure has ended');
    }
    return changed;
  }
}

function stepsOf(bytes: number): number {
  return Math.round(bytes / foreignStep);
}
