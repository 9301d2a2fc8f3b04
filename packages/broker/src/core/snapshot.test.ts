import type { Epoch } from '@gryphgen/protocol';
import { limits } from '@gryphgen/protocol';
import { afterEach, expect, test } from 'vitest';
import { CoreFixture } from './core.fixture.ts';
import { loadSnapshot, saveSnapshot } from './snapshot.ts';

const shared = limits as { envelopes: number };
const { envelopes } = limits;

afterEach(() => {
  shared.envelopes = envelopes;
});

test('a snapshot keeps the very envelopes the state keeps, however many ended tasks name others', () => {
  shared.envelopes = 2;
  const grid = new CoreFixture();
  const worker = grid.worker();
  const client = grid.client();
  for (const [index, name] of ['a', 'b', 'c', 'd', 'a', 'c'].entries()) {
    grid.submit(client, index + 1, { name });
    grid.result(worker, index + 1);
  }
  const saved = saveSnapshot(grid.state);
  const loaded = loadSnapshot(structuredClone(saved), 1 as Epoch);
  expect([...loaded.specs.keys()].sort()).toEqual([...grid.state.specs.keys()].sort());
  expect([...loaded.specs.values()].map(({ refs }) => refs)).toEqual(
    [...grid.state.specs.values()].map(({ refs }) => refs),
  );
  expect(saveSnapshot(loaded)).toEqual(saved);
});
