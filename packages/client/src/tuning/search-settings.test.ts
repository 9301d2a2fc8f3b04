/** The search, over machines whose speeds a test knows. */
import type { RoundSpeeds, Serving } from '@gryphgen/protocol';
import { describe, expect, it } from 'vitest';
import {
  type Dimension,
  type Measured,
  middle,
  type SearchSettings,
  searchSettings,
} from './search-settings.ts';

const start: Serving = { slots: 4, slotTokens: 1024, kvType: 'f16' };
const dimensions: readonly Dimension[] = [
  { name: 'threads', choices: (serving) => [2, 4, 8].map((threads) => ({ ...serving, threads })) },
  {
    name: 'batch',
    choices: (serving) => [256, 1024].map((microBatchTokens) => ({ ...serving, microBatchTokens })),
  },
];

const round = (roundMs: number): RoundSpeeds => ({ roundMs, promptTokensPerS: 1, outputTokensPerS: 1 });

/** Some threads and some batches are faster, and a large batch only with many threads. */
function msOf({ threads = 1, microBatchTokens = 512 }: Serving): number {
  const batch = microBatchTokens === 1024 && threads >= 4 ? 0.8 : microBatchTokens === 512 ? 1 : 1.1;
  return (1000 / Math.min(threads, 4) + (threads > 4 ? 300 : 0)) * batch;
}

/** Up to `part` more than it would take, in an order that is always the same. */
function noisy(part: number): (serving: Serving) => Promise<Measured> {
  let seed = 1;
  const random = (): number => {
    seed = (seed * 16_807) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
  return (serving) =>
    Promise.resolve({
      kind: 'measured',
      rounds: [1, 2, 3].map(() => round(msOf(serving) * (1 + part * random()))),
    });
}

function search(over: Partial<SearchSettings> = {}) {
  return searchSettings({ start, dimensions, trials: 100, isOver: () => false, measure: noisy(0), ...over });
}

describe('a search', () => {
  it('finds what is best together, and measures nothing twice', async () => {
    const { best, untuned, trials, isCut } = await search();
    expect(best?.serving).toEqual({ ...start, threads: 4, microBatchTokens: 1024 });
    expect(untuned?.roundMs).toBe(1000);
    expect(best?.speeds.roundMs).toBeCloseTo(200);
    expect(isCut).toBe(false);
    const seen = trials.map(({ serving }) => JSON.stringify(serving));
    // But for how it is served, which is measured last again.
    expect(new Set(seen).size).toBe(seen.length - 1);
    expect(trials.at(-1)?.serving).toBe(start);
  });

  it('is not led astray by noise that is smaller than what it looks for', async () => {
    const { best } = await search({ measure: noisy(0.1) });
    expect(best?.serving).toMatchObject({ threads: 4, microBatchTokens: 1024 });
  });

  it('keeps what is usual where all is alike but for noise', async () => {
    const measured = noisy(0.2);
    const { best, trials } = await search({ measure: () => measured(start) });
    expect(best?.serving).toBe(start);
    expect(trials.length).toBeGreaterThan(3);
  });

  it('believes no quiet moment: how it is served is measured again, and is best where that was as fast', async () => {
    let measured = 0;
    const { best, untuned } = await search({
      measure: () => {
        measured += 1;
        return Promise.resolve({ kind: 'measured', rounds: [round(measured === 1 ? 100 : 60)] });
      },
    });
    expect(best?.serving).toBe(start);
    expect(untuned?.roundMs).toBe(60);
  });

  it('measures as many as it may, and says that there were more', async () => {
    const { trials, isCut } = await search({ trials: 4 });
    expect(trials).toHaveLength(4);
    expect(isCut).toBe(true);
  });

  it('begins none when its time is over', async () => {
    let left = 2;
    const { trials, isCut } = await search({ isOver: () => left-- <= 0 });
    // Two, and what is best against what is usual.
    expect(trials).toHaveLength(4);
    expect(isCut).toBe(true);
  });

  it('goes on past what fails, and tells of each as it comes', async () => {
    const told: string[] = [];
    const { best, trials } = await search({
      measure: (serving) =>
        serving.threads === 4
          ? Promise.resolve({ kind: 'failed', why: 'no room' })
          : Promise.resolve({ kind: 'measured', rounds: [round(msOf(serving))] }),
      onTrial: ({ measured, isBest }) => told.push(`${measured.kind}${isBest ? ' best' : ''}`),
    });
    expect(best?.serving.threads).toBe(2);
    expect(told.slice(0, 3)).toEqual(['measured best', 'measured best', 'failed']);
    expect(told).toHaveLength(trials.length);
  });

  it('has no end where what is usual cannot be measured', async () => {
    const measure = () => Promise.resolve({ kind: 'failed', why: 'no' } as const);
    expect(await search({ measure })).toMatchObject({ untuned: undefined, trials: [{ isBest: false }] });
  });
});

it('the middle of rounds is one that was, and of an even number the sooner', () => {
  expect(middle([round(3), round(1), round(2)])).toEqual({ speeds: round(2), soonestMs: 1 });
  expect(middle([round(4), round(1)]).speeds).toEqual(round(1));
});
