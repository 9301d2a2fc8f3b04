/**
 * What process groups use, as the kernel tells of their processes, and what each used in all.
 *
 * 1. A group is looked at when it is `firstMs` old, then at twice the age, at least every `mostMs`: what is over sooner
 *    costs nothing. One look reads all of /proc and serves every group that is due; looking takes at most a twentieth of
 *    one processor, however many processes there are.
 * 2. Memory is what only the process's own end frees: pages of files that the kernel can drop do not count. Of a process
 *    that grew and shrank between two looks the kernel kept the peak.
 * 3. Time on processors is exact when the end of one process came alone: the kernel has added it to ours. It is what was
 *    seen last (too little) when several came together. A process that left the group is not seen.
 */
import { readdirSync, readFileSync } from 'node:fs';
import type { Usage } from '@gryphgen/protocol';
import type { Reading } from '../core/events.ts';

const firstMs = 100;
const mostMs = 5000;
const looksPart = 20;
/** Clock ticks a second in what the kernel tells of processes: the same on all machines Node runs on. */
const msPerTick = 10;
const KiB = 1024;

/** Of one group, in all its looks. */
interface Meter {
  readonly startedMono: number;
  dueMono: number;
  cpuMs: number;
  peakMemoryBytes: number;
  looks: number;
  readonly tell: (reading: Reading) => void;
}

interface Seen {
  cpuMs: number;
  /** Now. */
  memoryBytes: number;
  /** Of the one process that has held most. */
  peakBytes: number;
}

export class ProcessUse {
  private readonly proc: string;
  private readonly meters = new Map<number, Meter>();
  private timer: NodeJS.Timeout | undefined;
  private lookedMono = Number.NEGATIVE_INFINITY;
  private lookTookMs = 0;
  private reapedMs: number;
  private ended: ((cpuMs: number | undefined) => void)[] = [];

  constructor(proc = '/proc') {
    this.proc = proc;
    this.reapedMs = this.childrenMs();
  }

  /** Its leader's number is the group's. `tell`: each look that found it. */
  begin(pid: number, tell: (reading: Reading) => void): void {
    const startedMono = performance.now();
    const dueMono = startedMono + firstMs;
    this.meters.set(pid, { startedMono, dueMono, cpuMs: 0, peakMemoryBytes: 0, looks: 0, tell });
    this.lookLater();
  }

  /** Call it in the turn in which the leader's end is told. */
  async end(pid: number): Promise<Usage> {
    const exactMs = await this.reaped();
    const meter = this.meters.get(pid);
    this.meters.delete(pid);
    if (this.meters.size === 0) clearTimeout(this.timer);
    if (meter === undefined || meter.looks === 0) return exactMs === undefined ? {} : { cpuMs: exactMs };
    const { cpuMs, peakMemoryBytes } = meter;
    return { cpuMs: Math.max(cpuMs, exactMs ?? 0), peakMemoryBytes };
  }

  /** What the kernel has added for the one child whose end is told in this turn; undefined when there were more. */
  private reaped(): Promise<number | undefined> {
    return new Promise((resolve) => {
      this.ended.push(resolve);
      if (this.ended.length > 1) return;
      setImmediate(() => {
        const childrenMs = this.childrenMs();
        const addedMs = childrenMs - this.reapedMs;
        this.reapedMs = childrenMs;
        const { ended } = this;
        this.ended = [];
        for (const tell of ended) tell(ended.length === 1 && Number.isFinite(addedMs) ? addedMs : undefined);
      });
    });
  }

  private childrenMs(): number {
    const fields = this.fieldsOf('self');
    return fields === undefined ? Number.NaN : (Number(fields[13]) + Number(fields[14])) * msPerTick;
  }

  private lookLater(): void {
    clearTimeout(this.timer);
    const dueMono = Math.min(...[...this.meters.values()].map((meter) => meter.dueMono));
    const rested = this.lookedMono + this.lookTookMs * looksPart;
    this.timer = setTimeout(() => this.look(), Math.max(0, Math.max(dueMono, rested) - performance.now()));
  }

  private look(): void {
    const beganMono = performance.now();
    const seen = this.groups();
    for (const [pid, meter] of this.meters) {
      const group = seen.get(pid);
      meter.dueMono = beganMono + Math.min(mostMs, beganMono - meter.startedMono);
      if (group === undefined) continue;
      meter.looks += 1;
      meter.cpuMs = Math.max(meter.cpuMs, group.cpuMs);
      meter.peakMemoryBytes = Math.max(meter.peakMemoryBytes, group.memoryBytes, group.peakBytes);
      meter.tell({ cpuMs: group.cpuMs, memoryBytes: group.memoryBytes });
    }
    this.lookedMono = performance.now();
    this.lookTookMs = this.lookedMono - beganMono;
    if (this.meters.size > 0) this.lookLater();
  }

  private groups(): ReadonlyMap<number, Seen> {
    const groups = new Map<number, Seen>();
    for (const entry of readdirSync(this.proc)) {
      if (!/^[0-9]+$/.test(entry)) continue;
      const fields = this.fieldsOf(entry);
      const group = Number(fields?.[2]);
      if (fields === undefined || !this.meters.has(group)) continue;
      const status = this.read(entry, 'status') ?? '';
      const seen = groups.get(group) ?? { cpuMs: 0, memoryBytes: 0, peakBytes: 0 };
      // Its own, and that of its children that it has waited for.
      for (const ticks of fields.slice(11, 15)) seen.cpuMs += Number(ticks) * msPerTick;
      seen.memoryBytes += bytesIn(status, 'RssAnon') + bytesIn(status, 'RssShmem');
      seen.peakBytes = Math.max(seen.peakBytes, bytesIn(status, 'VmHWM') - bytesIn(status, 'RssFile'));
      groups.set(group, seen);
    }
    return groups;
  }

  /** Of /proc/PID/stat, counted after the program's name, which may hold anything. */
  private fieldsOf(entry: string): readonly string[] | undefined {
    const stat = this.read(entry, 'stat');
    return stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  }

  private read(entry: string, file: string): string | undefined {
    try {
      return readFileSync(`${this.proc}/${entry}/${file}`, 'latin1');
    } catch {
      return undefined; // it has ended
    }
  }
}

function bytesIn(status: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+([0-9]+) kB`, 'm').exec(status)?.[1] ?? 0) * KiB;
}
