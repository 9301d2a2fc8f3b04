/**
 * Puts the worker's report together, and says when it differs from the last one enough for the broker to hear of it.
 *
 * 1. A probe that fails costs its own part only: the part known before stands, and the reason is logged.
 * 2. Memory of devices held outside the grid is measured only where the grid itself holds none: what nvidia-smi counts
 *    there then is not ours.
 * 3. What cannot be told to the broker is no report: it is refused here, in words, and not by every broker.
 */
import {
  type Device,
  type DeviceUuid,
  limits,
  productVersion,
  type TaskKind,
  type WorkerReport,
  workerReportSchema,
} from '@gryphgen/protocol';
import type { Alarms, Log } from '@gryphgen/runtime';
import type Docker from 'dockerode';
import { type Machine, probeMachine } from './machine.ts';
import { type DevicesFound, findDevices } from './nvidia-smi.ts';
import { Question } from './question.ts';

const MiB = 1024 * 1024;
/** Desktops move this much about when a window opens. */
const foreignStep = 256 * MiB;
/** To find out what the host has, which images its engine has. */
const answerMs = 10_000;
/** nvidia-smi is asked twice and has its own limit, but a driver in trouble keeps it from being killed. */
const devicesMs = 35_000;

export interface ProbeOptions {
  readonly home: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly slots: number | undefined;
  readonly docker: Docker;
  readonly nvidiaSmi: string;
  readonly alarms: Alarms;
  readonly log: Log;
}

interface DockerImages {
  listImages(options: {
    readonly abortSignal: AbortSignal;
  }): Promise<{ readonly RepoTags?: string[] | null }[]>;
}

export interface ProbeInput {
  readonly capabilities: readonly TaskKind[];
  readonly dataEndpoint: string;
  readonly dataKey: string;
  /** Devices that attempts hold. */
  readonly held: ReadonlySet<DeviceUuid>;
}

export class WorkerProbe {
  private readonly options: ProbeOptions;
  private readonly askMachine: Question<Machine>;
  private readonly askImages: Question<readonly string[]>;
  private readonly askDevices: Question<DevicesFound>;
  private machine: Machine | null = null;
  private images: readonly string[] = [];
  private devices: readonly Device[] = [];
  /** By what was asked: what is wrong since the last answer. */
  private readonly problems = new Map<string, string>();

  constructor(options: ProbeOptions) {
    const { home, docker, nvidiaSmi, alarms } = options;
    this.options = options;
    this.askMachine = new Question({
      what: 'this machine',
      limitMs: answerMs,
      alarms,
      put: () => probeMachine(home),
    });
    this.askImages = new Question({
      what: 'the engine, asked for its images,',
      limitMs: answerMs,
      alarms,
      put: (signal) => imagesOf(docker as unknown as DockerImages, signal),
    });
    this.askDevices = new Question({
      what: nvidiaSmi,
      limitMs: devicesMs,
      alarms,
      put: () => findDevices(nvidiaSmi),
    });
  }

  /** Throws when there is none to give, at first or at all. */
  async report({ capabilities, dataEndpoint, dataKey, held }: ProbeInput): Promise<WorkerReport> {
    const { name, labels, slots } = this.options;
    const hasEngine = capabilities.includes('container');
    await Promise.all([this.probeMachine(), hasEngine && this.listImages(), this.findDevices(held)]);
    const { machine } = this;
    if (machine === null) throw new Error(`this machine cannot be probed: ${this.problems.get('machine')}`);
    return legal({
      name,
      capabilities,
      labels,
      ...machine,
      devices: this.devices,
      images: hasEngine ? this.images : [],
      slots: slots ?? Math.min(Math.max(16, machine.cpuMilli / 250), limits.attemptsPerWorker),
      speed: 0,
      dataEndpoint,
      dataKey,
      version: productVersion,
    });
  }

  private async probeMachine(): Promise<void> {
    try {
      this.machine = await this.askMachine.ask();
      this.note('machine', '');
    } catch (error) {
      this.note('machine', wordsOf(error));
    }
  }

  private async listImages(): Promise<void> {
    try {
      this.images = await this.askImages.ask();
      this.note('images', '');
    } catch (error) {
      this.note('images', wordsOf(error));
    }
  }

  private async findDevices(held: ReadonlySet<DeviceUuid>): Promise<void> {
    const found = await this.askDevices.ask().catch((error) => ({ ok: false, why: wordsOf(error) }) as const);
    this.note('devices', found.ok ? '' : found.why);
    if (!found.ok) return;
    const before = new Map(this.devices.map((device) => [device.uuid, device]));
    this.devices = found.devices.map((device) => {
      const known = held.has(device.uuid) ? before.get(device.uuid) : undefined;
      return known === undefined ? device : { ...device, foreignBytes: known.foreignBytes };
    });
  }

  /** Logged when it changes, not with each look. */
  private note(what: string, problem: string): void {
    if (problem !== '' && problem !== this.problems.get(what))
      this.options.log.warn({ what, why: problem }, 'a part of this machine cannot be probed');
    this.problems.set(what, problem);
  }
}

async function imagesOf(docker: DockerImages, abortSignal: AbortSignal): Promise<readonly string[]> {
  const images = await docker.listImages({ abortSignal });
  const names = images.flatMap(({ RepoTags }) => RepoTags ?? []).filter((tag) => tag !== '<none>:<none>');
  return tellable([...new Set(names)].sort());
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

/** Whether the broker would decide otherwise: temperature, power and small change do not count. */
export function differs(a: WorkerReport, b: WorkerReport): boolean {
  return JSON.stringify(essence(a)) !== JSON.stringify(essence(b));
}

function essence(report: WorkerReport): WorkerReport {
  const devices = report.devices.map(({ temperatureC: _t, powerW: _p, ...device }) => ({
    ...device,
    foreignBytes: Math.round(device.foreignBytes / foreignStep),
  }));
  return { ...report, devices };
}
