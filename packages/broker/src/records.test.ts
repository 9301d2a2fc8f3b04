import type {
  AttemptNo,
  BlobHash,
  ClientId,
  Envelope,
  PrincipalId,
  TaskId,
  WorkerId,
} from '@gryphgen/protocol';
import { envelopeDefaults } from '@gryphgen/protocol';
import { describe, expect, it } from 'vitest';
import type { Decision } from './core/decisions.ts';
import { decodeDecisions, encodeDecisions } from './records.ts';

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
      [2, task, 2 as AttemptNo, worker, [], 4],
      [5, task, 5],
      [3, task, 2 as AttemptNo, 0, 0, '', '', 4, 6, Uint8Array.of(1, 2, 3)],
      [7, worker, true, 7],
      [8, worker, 8],
      [9, ['p-1 key'], 9],
      [10, ['c1' as ClientId], 10],
    ];
    expect(decodeDecisions(encodeDecisions(decisions))).toEqual(decisions);
  });
  it('holds what its decisions share once', () => {
    const one = encodeDecisions([accepted(1000, hash('b'))]).length;
    const ten = encodeDecisions(Array.from({ length: 10 }, (_, at) => accepted(1000 + at, hash('b')))).length;
    expect(ten - one).toBeLessThan(9 * 32);
  });
});
