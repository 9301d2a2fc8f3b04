import type { SettingsTrial } from '@gryphgen/client';
import type { ModelUse, NodeDocument, RoundSpeeds, Serving, TuningDocument } from '@gryphgen/protocol';
import { expect, it } from 'vitest';
import { styleOf, type Terminal } from '../terminal.ts';
import type { WorkerTuning } from '../tuning/tune-worker.ts';
import { boundsWords, keptLines, trialLine, trialTitles, tunedLine } from './tuning-view.ts';

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
  const line = trialLine('infer', measured(900, 750, 700), speeds(1000), { style });
  expect(line.split(/ {2,}/)).toEqual(['', '812', '9.4', '750 ms', '+25 %', '4 slots, 8 threads']);
  expect(line.indexOf('4 slots')).toBe(trialTitles('infer').indexOf('SETTINGS'));
});

it('of what embeds or ranks: tokens it took up in a second, and how long one request waited', () => {
  const trial = measured(900, 750, 700);
  const of = {
    ...trial,
    measured: { kind: 'measured', rounds: [{ ...speeds(750), requestMs: 401.2 }] },
  } as const;
  const line = trialLine('embed', of, speeds(1000), { style });
  expect(line.split(/ {2,}/)).toEqual(['', '812', '401 ms', '750 ms', '+25 %', '4 slots, 8 threads']);
  expect(line.indexOf('4 slots')).toBe(trialTitles('rerank').indexOf('SETTINGS'));
  expect(trialTitles('embed')).toMatch(/INPUT\/S +REQUEST +ROUND/);
});

it('what is kept is told with what counts for such a model', () => {
  const kept = { ...{ workerName: 'forge', devices: [], serving, load: 2, at: 0, stale: '' } };
  const tuning = { ...kept, best: speeds(500), untuned: speeds(1000) } as unknown as TuningDocument;
  const lines = (use: ModelUse, of = tuning) =>
    keptLines(use, [of], 1000, { style, columns: 200 } as Terminal);
  expect(lines('infer')[0]).toMatch(/GAIN +OUTPUT\/S +LOAD/);
  expect(lines('embed')[0]).toMatch(/GAIN +INPUT\/S +REQUEST +LOAD/);
  expect(lines('embed')[1]).toMatch(/\+50 % +812 +2/);
  expect(lines('rerank', { ...tuning, texts: 8, best: { ...tuning.best, requestMs: 80 } })[1]).toMatch(
    /812 +80 ms +2 × 8/,
  );
});

it('before it begins it says what a round is', () => {
  const size = { load: 2, promptTokens: 256 };
  expect(boundsWords('m', { ...size, use: 'infer', outputTokens: 64 }, 12, 60_000)).toMatch(
    /^measuring m by rounds of 2 requests at a time, each 256 tokens of prompt and 64 of output: at most 12/,
  );
  expect(boundsWords('m', { ...size, use: 'rerank', texts: 8, load: 1 }, 12, 60_000)).toContain(
    '1 request, each 8 documents beside a query of up to 256 tokens',
  );
});

it('one that failed says why, without what would move the cursor', () => {
  const trial = { ...measured(1), measured: { kind: 'failed', why: 'no\u001b[2J room' } } as const;
  const line = trialLine('infer', trial, speeds(1000), { style });
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
