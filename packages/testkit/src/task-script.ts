/**
 * What a simulated task asks for and how its attempts go: known beforehand, so that a reference model can say what may
 * become of it.
 */
import type { Envelope, PublishedPort } from '@gryphgen/protocol';
import type { Fence } from '@gryphgen/worker';

/** How one attempt goes if nobody interferes. `start`: it never starts. */
export type AttemptPlan = 'ok' | 'exit' | 'oom' | 'start';

/** Of a service: so long after its start it is told to be well; and to be unhealthy, or never. */
export interface ServiceScript {
  readonly wellMs: number;
  readonly unhealthyMs: number;
}

export interface Script {
  readonly no: number;
  readonly envelope: Envelope;
  /** Milliseconds from start to end; Infinity runs until it is stopped. */
  readonly runMs: number;
  /** By attempt; the last repeats. */
  readonly plans: readonly AttemptPlan[];
  /** What it holds of a part of a device, as a share of what it asked for. */
  readonly vramUse: number;
  /** What it holds of the host's memory, whatever it asked for. */
  readonly memoryBytes: number;
  /** Ends only when killed. */
  readonly stubborn: boolean;
  readonly service: ServiceScript | null;
}

export function planOf(script: Script, attempt: number): AttemptPlan {
  return script.plans[Math.min(attempt, script.plans.length) - 1] ?? 'ok';
}

/** Runs on, or again and again, until somebody cancels it. */
export function isEndless({ runMs, envelope }: Script): boolean {
  return (runMs === Number.POSITIVE_INFINITY && envelope.timeoutMs === 0) || envelope.restart !== undefined;
}

/** The one port of a service: no two attempts have the same. */
export function portOf({ task, attempt }: Pick<Fence, 'task' | 'attempt'>): PublishedPort {
  const hostPort = 1024 + ((task * 64 + attempt) % 60_000);
  return { name: 'web', port: 80, protocol: 'tcp', bind: 'loopback', hostPort };
}

/** More of a device than it asked for. */
export function holdsTooMuch({ vramUse, envelope }: Script): boolean {
  const kind = envelope.resources.gpu?.kind ?? 'whole';
  return vramUse > 1 && kind !== 'whole';
}

/** A body that names its script; every script has its own, so tasks can be told apart by it. */
export function bodyOf(script: Script): Uint8Array {
  return new TextEncoder().encode(`script ${script.no}`);
}

/** What a successful attempt hands back. */
export function resultOf(script: Script): Uint8Array {
  return new TextEncoder().encode(`done ${script.no}`);
}

export function scriptNoOf(body: Uint8Array): number {
  return Number(new TextDecoder().decode(body).slice('script '.length));
}
