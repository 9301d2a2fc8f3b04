/**
 * Puts the worker's report together.
 *
 * 1. A probe that fails costs its own part only: the part known before stands, and the reason is logged and told.
 * 2. What cannot be told to the broker is no report: it is refused here, in words, and not by every broker.
 */
import { join } from 'node:path';
import {
  type Calibration,
  type Hardware,
  limits,
  type Offers,
  productVersion,
  type TaskKind,
  type WorkerReport,
  workerReportSchema,
} from '@gryphgen/protocol';
import type { Alarms, Clock, Log } from '@gryphgen/runtime';
import type Docker from 'dockerode';
import { Calibrator } from '../calibration/calibrator.ts';
import { type Measure, measureWith } from '../calibration/measure.ts';
import type { SeenDevice } from '../core/device-claims.ts';
import { namesIn, questionsTo } from '../executors/engine-questions.ts';
import { DeviceProbe, type DeviceProbeOptions, type Holder } from './device-probe.ts';
import { ascii, probeHardware } from './hardware.ts';
import { type Machine, probeMachine } from './machine.ts';
import { Question } from './question.ts';

/** To find out what the host has, which images its engine has. */
const answerMs = 10_000;
const GiB = 1024 ** 3;

export interface ProbeOptions extends DeviceProbeOptions {
  readonly home: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly slots: number | undefined;
  readonly docker: Docker;
  readonly clock: Clock;
  /** Default: in a process of its own. */
  readonly measure?: Measure | undefined;
  /** What it was measured to be before does not count. */
  readonly calibrate?: boolean | undefined;
  readonly alarms: Alarms;
  readonly log: Log;
  /** What else the report is to say of this machine. */
  concerns(): readonly string[];
}

interface Engine {
  readonly images: readonly string[];
  readonly names: readonly string[];
}

export interface ProbeInput {
  readonly capabilities: readonly TaskKind[];
  readonly offers: Offers | undefined;
  /** Beside what the owner says. */
  readonly labels: Readonly<Record<string, string>>;
  readonly dataEndpoint: string;
  readonly dataKey: string;
  /** Attempts that hold devices. */
  readonly holders: readonly Holder[];
}

export class WorkerProbe {
  readonly calibrator: Calibrator;
  private readonly options: ProbeOptions;
  private readonly askMachine: Question<Machine>;
  private readonly askEngine: Question<Engine>;
  private readonly askHardware: Question<Omit<Hardware, 'engines'>>;
  private machine: Machine | null = null;
  private engine = noEngine;
  private hardware: Omit<Hardware, 'engines'> | null = null;
  private readonly devices: DeviceProbe;
  /** By what was asked: what is wrong since the last answer. */
  private readonly problems = new Map<string, string>();

  constructor(options: ProbeOptions) {
    const { home, docker, alarms, measure = measureWith(alarms), calibrate = false } = options;
    this.options = options;
    const folder = join(home, 'worker');
    this.calibrator = new Calibrator({ ...options, folder, measure, anew: calibrate });
    this.devices = new DeviceProbe(options);
    this.askMachine = new Question({
      what: 'this machine',
      limitMs: answerMs,
      alarms,
      put: () => probeMachine(home),
    });
    this.askHardware = new Question({
      what: 'this machine, asked for its parts,',
      limitMs: answerMs,
      alarms,
      put: probeHardware,
    });
    this.askEngine = new Question({
      what: 'the engine, asked for its images,',
      limitMs: answerMs,
      alarms,
      put: (signal) => describeEngine(docker, signal),
    });
  }

  /** Devices that attempts hold, as of the last look at them. */
  get seen(): readonly SeenDevice[] {
    return this.devices.seen;
  }

  /** Throws when there is none to give, at first or at all. */
  async report({
    capabilities,
    offers,
    labels: more,
    dataEndpoint,
    dataKey,
    holders,
  }: ProbeInput): Promise<WorkerReport> {
    const { name, labels, slots } = this.options;
    const hasEngine = capabilities.includes('container');
    await Promise.all([
      this.probeMachine(),
      this.findHardware(),
      hasEngine && this.findEngine(),
      this.findDevices(holders),
    ]);
    const { images, names: engines } = hasEngine ? this.engine : noEngine;
    const { machine } = this;
    if (machine === null) throw new Error(`this machine cannot be probed: ${this.problems.get('machine')}`);
    const calibration = this.calibration(machine);
    return legal({
      name,
      capabilities,
      labels: { ...more, ...labels },
      ...machine,
      devices: this.devices.devices,
      images,
      slots: slots ?? Math.min(Math.max(16, machine.cpuMilli / 250), limits.attemptsPerWorker),
      speed: calibration?.cpuSingle ?? 0,
      ...(calibration !== undefined && { calibration }),
      dataEndpoint,
      dataKey,
      ...(offers === undefined ? {} : { offers }),
      ...(this.hardware === null ? {} : { hardware: { ...this.hardware, engines } }),
      troubles: this.troubles(),
      version: productVersion,
    });
  }

  /** By what may change it; memory in whole GiB, since kernels keep more or less of it. */
  private calibration({ cpuMilli, memoryBytes }: Machine): Calibration | undefined {
    if (this.hardware === null) return undefined;
    const { model, cores, threads } = this.hardware.cpu;
    const { devices } = this.devices;
    const parts = devices.map(({ uuid, name }) => `${name} ${uuid}`);
    const machine = [model, cores, threads, cpuMilli, Math.round(memoryBytes / GiB), ...parts.sort()];
    const most = Math.max(1, Math.floor(cpuMilli / 1000));
    return this.calibrator.of(machine.join(', '), { devices, cores: Math.min(cores || most, most) });
  }

  private async probeMachine(): Promise<void> {
    this.machine = (await this.answerTo('machine', this.askMachine)) ?? this.machine;
  }

  /** Until it is known: it does not change. */
  private async findHardware(): Promise<void> {
    this.hardware ??= (await this.answerTo('hardware', this.askHardware)) ?? null;
  }

  private async findEngine(): Promise<void> {
    this.engine = (await this.answerTo('engine', this.askEngine)) ?? this.engine;
  }

  /** Undefined when there is none: what was known stands, and the reason is noted. */
  private async answerTo<T>(what: string, question: Question<T>): Promise<T | undefined> {
    try {
      const answer = await question.ask();
      this.note(what, '');
      return answer;
    } catch (error) {
      this.note(what, wordsOf(error));
      return undefined;
    }
  }

  /** The report that stands, with devices as they are now, and what is wrong. */
  async refreshDevices(standing: () => WorkerReport, holders: readonly Holder[]): Promise<WorkerReport> {
    await this.findDevices(holders);
    return legal({ ...standing(), devices: this.devices.devices, troubles: this.troubles() });
  }

  private async findDevices(holders: readonly Holder[]): Promise<void> {
    await this.devices.look(holders);
    this.note('devices', this.devices.troubles.join('; '));
  }

  private troubles(): readonly string[] {
    const others = [...this.problems].filter(([what, why]) => what !== 'devices' && why !== '');
    return [
      ...this.devices.troubles,
      ...this.calibrator.troubles,
      ...this.options.concerns(),
      ...others.map(([, why]) => why),
    ]
      .slice(0, limits.troubles)
      .map((words) => words.slice(0, limits.troubleChars));
  }

  /** Logged when it changes, not with each look. */
  private note(what: string, problem: string): void {
    if (problem !== '' && problem !== this.problems.get(what))
      this.options.log.warn({ what, why: problem }, 'a part of this machine cannot be probed');
    this.problems.set(what, problem);
  }
}

const noEngine: Engine = { images: [], names: [] };

async function describeEngine(docker: Docker, abortSignal: AbortSignal): Promise<Engine> {
  const engine = questionsTo(docker);
  const [images, version] = await Promise.all([
    engine.listImages({ abortSignal }),
    engine.version({ abortSignal }),
  ]);
  const tags = images.flatMap(({ RepoTags }) => namesIn(RepoTags));
  const digests = images.flatMap(({ RepoDigests }) => namesIn(RepoDigests));
  // Digests last: they are long, and fewer tasks name one.
  const known = [...sorted(tags), ...sorted(digests)];
  return { images: tellable(known), names: [ascii(`docker ${version.Version}`, 64)] };
}

function sorted(names: readonly string[]): readonly string[] {
  return [...new Set(names)].sort();
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** As many as a report may carry. A task whose image is left out still runs here; only its warmth is not seen. */
export function tellable(images: readonly string[]): readonly string[] {
  const told: string[] = [];
  let room: number = limits.imagesBytes;
  for (const image of images) {
    room -= Buffer.byteLength(image);
    if (room < 0 || told.length === limits.images) break;
    told.push(image);
  }
  return told;
}

/** Throws what is wrong with it. */
function legal(report: WorkerReport): WorkerReport {
  const parsed = workerReportSchema.safeParse(report);
  if (parsed.success) return report;
  const issue = parsed.error.issues[0];
  throw new Error(`this machine's report cannot be sent: ${issue?.path.join('.')}: ${issue?.message}`);
}
