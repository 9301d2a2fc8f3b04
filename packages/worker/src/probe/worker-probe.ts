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
import type { Log } from '@gryphgen/runtime';
import type Docker from 'dockerode';
import { probeMachine } from './machine.ts';
import { findDevices } from './nvidia-smi.ts';

const MiB = 1024 * 1024;
/** Desktops move this much about when a window opens. */
const foreignStep = 256 * MiB;

export interface ProbeOptions {
  readonly home: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly slots: number | undefined;
  readonly docker: Docker;
  readonly nvidiaSmi: string;
  readonly log: Log;
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
  private devices: readonly Device[] = [];
  private problem = '';

  constructor(options: ProbeOptions) {
    this.options = options;
  }

  async report({ capabilities, dataEndpoint, dataKey, held }: ProbeInput): Promise<WorkerReport> {
    const { home, name, labels, slots } = this.options;
    const [machine, images] = await Promise.all([
      probeMachine(home),
      capabilities.includes('container') ? this.images() : [],
      this.findDevices(held),
    ]);
    return legal({
      name,
      capabilities,
      labels,
      ...machine,
      devices: this.devices,
      images,
      slots: slots ?? Math.min(Math.max(16, machine.cpuMilli / 250), limits.attemptsPerWorker),
      speed: 0,
      dataEndpoint,
      dataKey,
      version: productVersion,
    });
  }

  private async findDevices(held: ReadonlySet<DeviceUuid>): Promise<void> {
    const found = await findDevices(this.options.nvidiaSmi);
    const problem = found.ok ? '' : found.why;
    if (problem !== this.problem && problem !== '')
      this.options.log.warn({ why: problem }, 'devices cannot be probed');
    this.problem = problem;
    if (!found.ok) return;
    const before = new Map(this.devices.map((device) => [device.uuid, device]));
    this.devices = found.devices.map((device) => {
      const known = held.has(device.uuid) ? before.get(device.uuid) : undefined;
      return known === undefined ? device : { ...device, foreignBytes: known.foreignBytes };
    });
  }

  private async images(): Promise<readonly string[]> {
    try {
      const images = await this.options.docker.listImages();
      const names = images.flatMap(({ RepoTags }) => RepoTags ?? []).filter((tag) => tag !== '<none>:<none>');
      return tellable([...new Set(names)].sort());
    } catch (error) {
      this.options.log.warn({ err: error }, 'images cannot be listed');
      return [];
    }
  }
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
