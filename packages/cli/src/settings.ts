/** A command's settings, from its flags and everything behind them (runtime/config). */
import type { AuditBounds, JournalSettings } from '@gryphgen/broker';
import { type Config, loadConfig } from '@gryphgen/runtime';
import type { PressureSettings, WarmLimits } from '@gryphgen/worker';
import { UsageError } from './problem.ts';
import type { Terminal } from './terminal.ts';

/** Flags that every command takes. */
export interface CommonFlags {
  readonly home?: string;
  readonly broker?: string;
  readonly json?: boolean;
}

type Flags = Parameters<typeof loadConfig>[0]['flags'];

/** `more`: the flags of daemons. Throws UsageError naming each setting that is wrong and where it came from. */
export function settingsOf({ env }: Terminal, { home, broker }: CommonFlags, more: Flags = {}): Config {
  const loaded = loadConfig({ flags: { home, broker, ...more }, env });
  if (!loaded.ok) throw new UsageError(...loaded.problems);
  return loaded.config;
}

/** When this machine's worker takes no new work. */
export function pressureSettings({ minDiskFree, minMemoryFree, maxDeviceC }: Config): PressureSettings {
  return { minDiskFreeBytes: minDiskFree, minMemoryFreeBytes: minMemoryFree, maxDeviceC };
}

/** How much of what is over the broker keeps; what is not said is the broker's to know. */
export function keptByBroker({ finishedTasks, finishedAge, auditBytes, auditAge }: Config): {
  readonly journal: Partial<JournalSettings>;
  readonly audit: Partial<AuditBounds>;
} {
  return {
    journal: {
      ...(finishedTasks !== 'auto' && { historyRows: finishedTasks }),
      ...(finishedAge !== 'auto' && { historyAgeMs: finishedAge }),
    },
    audit: {
      ...(auditBytes !== 'auto' && { maxBytes: auditBytes }),
      ...(auditAge !== 'auto' && { maxAgeMs: auditAge }),
    },
  };
}

/** What is kept of logs that have ended, beside the broker. */
export function keptLogs({ logsBytes, logsAge }: Config): { maxBytes?: number; maxAgeMs?: number } {
  return {
    ...(logsBytes !== 'auto' && { maxBytes: logsBytes }),
    ...(logsAge !== 'auto' && { maxAgeMs: logsAge }),
  };
}

/** Absent: artifacts stay for as long as there is room. */
export function artifactsAge({ artifactsAge: age }: Config): { artifactsAgeMs?: number } {
  return age === 'auto' || age === 0 ? {} : { artifactsAgeMs: age };
}

/** What its worker keeps started ahead; what is not said is the worker's to know. */
export function warmLimits({ warmContainers, warmIdle }: Config): Partial<WarmLimits> {
  return {
    ...(warmContainers !== 'auto' && { total: warmContainers }),
    ...(warmIdle !== 'auto' && { idleMs: warmIdle }),
  };
}
