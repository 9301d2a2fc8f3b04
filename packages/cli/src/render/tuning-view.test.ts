import type { SettingsTrial } from '@gryphgen/client';
import type { NodeDocument, RoundSpeeds, Serving } from '@gryphgen/protocol';
import { expect, it } from 'vitest';
import { styleOf } from '../terminal.ts';
import type { WorkerTuning } from '../tuning/tune-worker.ts';
import { trialLine, trialTitles, tunedLine } from './tuning-view.ts';

const serving: Serving = { slots: 4, slotTokens: 1024, kvType: 'f16' };
const speeds = (roundMs: number): RoundSpeeds => ({
  roundMs,
  promptTokensPerS: 812.4,
  outputTokensPerS: 9.41,
});
const style = styleOf(false);

function measured(...ms: readonly number[]): SettingsTrial {
  return {
    serving: { ...serving, threads: 8 },
    measured: { kind: 'measured', rounds: ms.map(speeds) },
    isBest: true,
  };
}

it('a trial is a line under the titles, by its middle round', () => {
  const line = trialLine(measured(900, 750, 700), speeds(1000), { style });
  expect(line.split(/ {2,}/)).toEqual(['', '812', '9.4', '750 ms', '+25 %', '4 slots, 8 threads']);
  expect(line.indexOf('4 slots')).toBe(trialTitles().indexOf('SETTINGS'));
});

it('one that failed says why, without what would move the cursor', () => {
  const trial = { ...measured(1), measured: { kind: 'failed', why: 'no\u001b[2J room' } } as const;
  const line = trialLine(trial, speeds(1000), { style });
  expect(line.trim()).toMatch(/^4 slots, 8 threads: failed: no.*room$/);
  expect(line).not.toContain('\u001b');
});

it('what came of it says what is kept and by how much it is sooner, or that nothing is', () => {
  const node = { name: 'forge' } as NodeDocument;
  const best = { serving: { ...serving, flashAttention: true }, speeds: speeds(800) };
  const found: WorkerTuning = {
    ...{ node, devices: [], untuned: speeds(1000), best, trials: [measured(1)], isCut: true, isKept: true },
  };
  expect(tunedLine(found)).toBe(
    'forge (host): 4 slots, flash attention on answer 20 % sooner, and are kept: the next instance there is begun so; 1 settings measured, and no more within the bounds',
  );
  expect(tunedLine({ ...found, isKept: false, devices: ['GPU-1'] })).toContain(
    'forge (GPU-1): nothing is better than what is usual',
  );
});
