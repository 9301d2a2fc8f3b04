import { ingestBodySchema, readBody, type TaskId } from '@gryphgen/protocol';
import { expect, it } from 'vitest';
import type { PreparedTask } from '../prepare.ts';
import { tellUsed, type UsedTeller } from './tell-used.ts';

const shard = { worker: 'w-1', workerName: 'forge', epoch: 1, connected: true };

function played(shards: number): { readonly teller: UsedTeller; readonly tasks: PreparedTask[] } {
  const tasks: PreparedTask[] = [];
  const docs = { name: 'docs', placedAt: 0, shards: Array.from({ length: shards }, () => shard) };
  const teller = {
    request: (async () => [docs]) as UsedTeller['request'],
    submit: (task: PreparedTask) => ({ accepted: Promise.resolve(tasks.push(task) as TaskId) }),
  };
  return { teller, tasks };
}
const cited = (source: string, from: number) => ({
  machine: 'forge',
  source,
  lines: [from, from + 1] as const,
});
const used = (...citations: readonly ReturnType<typeof cited>[]) => ({
  ...{ collection: 'docs', question: ' How? ' },
  citations: citations.map((one) => ({ ...one, lines: [...one.lines] as [number, number] })),
});
const bodyOf = ({ bodyBytes }: PreparedTask) => {
  const read = readBody(ingestBodySchema, bodyBytes);
  return read.ok ? read.value : read.failure;
};

it('each file that an answer cites is told once, to its shard, and not for the journal', async () => {
  const { teller, tasks } = played(3);
  await tellUsed(teller, used(cited('/a.md', 1), cited('/b.md', 4), cited('/a.md', 9)));
  const about = { op: 'feedback', collection: 'docs', text: 'How?', verdict: 'used', machine: 'forge' };
  expect(tasks.map(bodyOf)).toEqual([
    { ...about, path: '/a.md', lines: [1, 2] },
    { ...about, path: '/b.md', lines: [4, 5] },
  ]);
  expect(tasks.map(({ envelope }) => envelope.durable)).toEqual([false, false]);
  // The first 32 bits of SHA-256, modulo the shards: as the files were brought.
  expect(tasks.map(({ envelope }) => envelope.shard?.index)).toEqual([1, 0]);
});

it('of an answer that cites nothing, or a question too long to learn from, nothing is told; of many files the first', async () => {
  const { teller, tasks } = played(1);
  await tellUsed(teller, used());
  await tellUsed(teller, { ...used(cited('/a.md', 1)), question: 'x'.repeat(1001) });
  expect(tasks).toEqual([]);
  await tellUsed(teller, used(...Array.from({ length: 20 }, (_, at) => cited(`/${at}.md`, 1))));
  expect(tasks).toHaveLength(8);
});
