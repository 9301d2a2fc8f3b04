import type { DeviceUuid } from '@gryphgen/protocol';
import { expect, it } from 'vitest';
import { release, reserve } from './ledger.ts';
import { forge, report } from './reference-grid.fixture.ts';
import { changeView, type ViewChange, versionOf } from './worker-view.ts';

it.each<ViewChange>([
  { name: 'other' },
  { report: report() },
  { report: null },
  { connected: false },
  { draining: true, drainUntil: 0 },
  { drainUntil: 1 },
  { reliability: 0.5 },
])('raises its version when %o is changed, and not when it is said again', (change) => {
  const view = forge();
  const before = versionOf(view);
  changeView(view, change);
  const after = versionOf(view);
  expect(after).toBeGreaterThan(before);
  expect(view).toMatchObject(change);
  changeView(view, change);
  expect(versionOf(view)).toBe(after);
});

it('never has the version of before a reservation again', () => {
  const view = forge();
  const devices = [{ uuid: 'gpu-3060' as DeviceUuid, vramBytes: 1, whole: false }];
  const held = { cpuMilli: 1, memoryBytes: 1, diskBytes: 1, devices };
  const versions = [versionOf(view)];
  for (const change of [reserve, release, reserve]) {
    change(view.ledger, held);
    versions.push(versionOf(view));
  }
  expect(new Set(versions).size).toBe(4);
});
