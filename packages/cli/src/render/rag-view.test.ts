/** Who has shards and copies of them, as people read it. */

import { Writable } from 'node:stream';
import type { CopyDocument, ShardDocument } from '@gryphgen/protocol';
import { expect, it } from 'vitest';
import { openTerminal } from '../terminal.ts';
import { behindLine, passageLines, shardLines } from './rag-view.ts';

const copy = (workerName: string, version: number, connected = true): CopyDocument => ({
  ...{ worker: `w-${workerName}`, workerName, version, connected },
});
const shard = (over: Partial<ShardDocument> = {}): ShardDocument => ({
  ...{ worker: 'w-forge', workerName: 'forge', epoch: 1, connected: true, version: 7 },
  ...over,
});

it('names owners and copies, and what is away, behind or to come', () => {
  const copies = [copy('anvil', 7), copy('bellows', 5), copy('tongs', 0, false)];
  expect(shardLines([shard(), shard({ copies, connected: false }), shard({ workerName: '' })])).toEqual([
    'shard 1: forge',
    'shard 2: forge (away) + anvil + bellows (behind) + tongs (away, to come)',
    'shard 3: nobody',
  ]);
});

it('says what was lost with a former owner, and by how much an answer is behind', () => {
  expect(shardLines([shard({ lost: 9 })])).toEqual(['shard 1: forge; lost: changes up to 9, sync it again']);
  expect(behindLine([{ number: 2, version: 41, of: 42 }])).toBe(
    'not the newest: shard 2 is a copy as of change 41 of 42',
  );
});

it('shows what stands beside a passage, with its lines', () => {
  const sink = new Writable({ write: (_, __, done) => done() });
  const around = [{ lines: [1, 2] as [number, number], text: 'Before.' }];
  const passage = {
    score: 1,
    machine: 'forge',
    source: '/a.md',
    lines: [3, 4] as [number, number],
    text: 'It.',
    terms: {},
  };
  expect(
    passageLines({ results: [{ ...passage, around }], cut: false }, openTerminal(sink, sink, {})),
  ).toEqual(['/a.md:3-4  1.00', '  It.', '  beside it, 1-2:', '  Before.']);
});
