import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Alarms } from '@gryphgen/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Reading } from '../core/events.ts';
import { watchUse } from './container-use.ts';

const id = 'c'.repeat(64);
let root: string;
const told: Reading[] = [];
const tell = (reading: Reading) => void told.push(reading);
let due: { ms: number; run: () => void } | null = null;
const alarms = {
  after: (ms: number, run: () => void) => {
    due = { ms, run };
    return () => {
      due = null;
    };
  },
} as unknown as Alarms;

beforeEach(() => {
  told.length = 0;
  root = mkdtempSync(join(tmpdir(), 'cgroup-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(files: Readonly<Record<string, string | number>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), `${text}\n`);
  }
}

const one = (usage: number, peak: number, file: number, cpuNs: number) =>
  write({
    [`memory/docker/${id}/memory.usage_in_bytes`]: usage,
    [`memory/docker/${id}/memory.max_usage_in_bytes`]: peak,
    [`memory/docker/${id}/memory.stat`]: `cache 9\ntotal_inactive_file ${file}\ntotal_active_file 0`,
    [`cpuacct/docker/${id}/cpuacct.usage`]: cpuNs,
  });

describe('of a control group', () => {
  it('of version 1 the peak is told without the pages of files', () => {
    const used = watchUse(id, alarms, tell, root);
    one(500, 900, 100, 7_000_000);
    expect(used()).toEqual({ cpuMs: 7, peakMemoryBytes: 800 });
  });

  it('of version 2, as systemd names it, too', () => {
    const folder = `system.slice/docker-${id}.scope`;
    const used = watchUse(id, alarms, tell, root);
    write({
      [`${folder}/memory.current`]: 500,
      [`${folder}/memory.stat`]: 'anon 1\ninactive_file 60\nactive_file 40',
      [`${folder}/cpu.stat`]: 'usage_usec 7000\nuser_usec 1',
    });
    // A kernel that keeps no peak.
    expect(used()).toEqual({ cpuMs: 7, peakMemoryBytes: 400 });
    write({ [`${folder}/memory.peak`]: 900 });
    expect(watchUse(id, alarms, tell, root)()).toEqual({ cpuMs: 7, peakMemoryBytes: 800 });
  });

  it('that is gone at the end, what the looks before it saw counts', () => {
    const used = watchUse(id, alarms, tell, root);
    one(500, 900, 100, 7_000_000);
    due?.run();
    // Files that were dropped since make no peak smaller.
    one(300, 900, 400, 9_000_000);
    due?.run();
    expect(due?.ms).toBe(400);
    expect(told).toMatchObject([{ memoryBytes: 400 }, { cpuMs: 9, memoryBytes: 0 }]);
    rmSync(join(root, 'memory'), { recursive: true });
    expect(used()).toEqual({ cpuMs: 9, peakMemoryBytes: 800 });
    expect(due).toBeNull();
  });

  it('that was never found nothing is known', () => {
    expect(watchUse(id, alarms, tell, root)()).toBeUndefined();
  });
});
