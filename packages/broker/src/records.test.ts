import type {
  AttemptNo,
  BlobHash,
  ClientId,
  Envelope,
  Epoch,
  PrincipalId,
  TaskId,
  WorkerId,
} from '@gryphgen/protocol';
import { envelopeDefaults } from '@gryphgen/protocol';
import { Packr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import type { Decision } from './core/record/decisions.ts';
import { decodeDecisions, decodeSnapshot, encodeDecisions, encodeSnapshot } from './records.ts';
import { recover } from './recovery.ts';

const envelope: Envelope = { ...envelopeDefaults, kind: 'noop' };
const hash = (digit: string) => digit.repeat(64) as BlobHash;
const accepted = (task: number, body: BlobHash): Decision => [
  1,
  task as TaskId,
  hash('e'),
  body,
  'p-1' as PrincipalId,
  'c1' as ClientId,
  task,
  1,
  '',
  1_795_000_000_000,
];

describe('a commit group as bytes', () => {
  it('reads back as it was, whatever was decided', () => {
    const worker = 'w-1' as WorkerId;
    const [task, attempt] = [7 as TaskId, 1 as AttemptNo];
    const decisions: Decision[] = [
      [0, hash('e'), envelope, 'shape'],
      accepted(7, hash('b')),
      accepted(8, hash('c')),
      [6, worker, 'forge', 1],
      [2, task, attempt, worker, [['gpu-1', 5 * 1024 ** 3, false]], 2],
      [4, task, attempt, 'lost.worker', 'gone', 1000, 3],
      [2, task, 2 as AttemptNo, worker, [], 4, ['placed on forge', ['fit'], [[worker, 900, 1000]]]],
      [5, task, 5],
      [3, task, 2 as AttemptNo, 0, 0, '', '', 4, 6, Uint8Array.of(1, 2, 3)],
      [7, worker, true, 7],
      [8, worker, 8],
      [9, ['p-1 key'], 9],
      [9, [], 9, undefined, [[], [['tiny gpu-1', 2, 3.5]], [['tiny w-1', 900]]]],
      [10, ['c1' as ClientId], 10],
      [11, 1000 as TaskId, 11],
      [
        17,
        'docs',
        [
          [worker, 2],
          ['', 0],
        ],
        12,
        'p-1' as PrincipalId,
      ],
      [18, 'docs', 13],
    ];
    expect(decodeDecisions(encodeDecisions(decisions))).toEqual(decisions);
  });
  it('holds what its decisions share once', () => {
    const one = encodeDecisions([accepted(1000, hash('b'))]).length;
    const ten = encodeDecisions(Array.from({ length: 10 }, (_, at) => accepted(1000 + at, hash('b')))).length;
    expect(ten - one).toBeLessThan(9 * 32);
  });
});

describe('records that this version cannot read', () => {
  const packed = (value: unknown) => new Uint8Array(new Packr({ useRecords: false }).pack(value));
  const known: Decision = [5, 7 as TaskId, 5];

  it.each<[string, Uint8Array, RegExp]>([
    ['a plain list of decisions', packed([known]), /format 1 .*a list of decisions.* reads format 2/],
    ['a later format', packed([[], [known], 3]), /format 3, .* reads format 2: start a newer gryphgen/],
    ['another kind', packed([[], [[99, 7]], 2]), /kind 99, .* knows kinds 0 to 18: start a newer gryphgen/],
    ['too little of a kind', packed([[], [[5, 7]], 2]), /kind 5 has 2 parts, 3 were expected/],
    ['a name that is not there', packed([['a'], [[2, 7, 1, 9, [], 5]], 2]), /names number 9 of 1/],
    ['no list at all', packed({ a: 1 }), /an object.* expected a list/],
    ['no msgpack', Uint8Array.of(0x93, 0x01), /no msgpack/],
  ])('say so in words: %s', (_what, bytes, words) => {
    expect(() => decodeDecisions(bytes)).toThrow(words);
  });
  it('are reported with the commit they stand in', async () => {
    const groups = (async function* () {
      yield { seq: 41, epoch: 3 as never, records: packed([known]) };
    })();
    const opened = { journal: { epoch: 4 } as never, snapshot: null, groups, findings: [] };
    await expect(recover(opened, {})).rejects.toThrow(/^commit 41 of epoch 3: .*format 1/);
  });
  it.each([0, 1, 15, 16, 1023, 1024, 1025, 1039, 1040, 3000])(
    'include snapshots, which read back as a whole: of %d decisions',
    (count) => {
      const tasks = Array.from({ length: count }, (_, task) => accepted(task, hash('b')));
      const decisions = tasks.map((decision) => [3 as Epoch, decision] as const);
      const lists = { keptSpecs: [hash('e')], tries: [], keys: [], windows: [] };
      const snapshot = { nextTask: count + 1, ...lists };
      const bytes = encodeSnapshot({ ...snapshot, decisions: decisions.values() });
      expect(bytes).not.toBeInstanceOf(Buffer);
      expect(decodeSnapshot(bytes)).toEqual({ ...snapshot, decisions });
    },
  );

  it('include snapshots, which say what is missing', () => {
    expect(() => decodeSnapshot(packed({ nextTask: 1, decisions: [] }))).toThrow(
      /snapshot lacks keptSpecs, tries, keys, windows/,
    );
  });
});
