import type { NodeDocument } from '@gryphgen/protocol';
import { expect, it } from 'vitest';
import { styleOf } from '../terminal.ts';
import { ledgerTable } from './ledger-view.ts';
import { card, node as forge, report } from './node.fixture.ts';
import { nodeJson, nodeLines, nodeTable } from './node-view.ts';

const GiB = 1024 ** 3;
const holding = { ...card, foreignBytes: GiB / 2, gridBytes: GiB };
const ledger = {
  observed: { cpuMilli: 700, memoryBytes: 3 * GiB },
  beyondBytes: 0,
  free: { cpuMilli: 30_500, memoryBytes: 100 * GiB, devices: [{ uuid: 'GPU-1', vramBytes: 2 * GiB }] },
};
const node: NodeDocument = {
  ...forge,
  report: { ...report, labels: {}, devices: [holding], foreignBytes: 20 * GiB },
  reserved: {
    cpuMilli: 1500,
    memoryBytes: 4 * GiB,
    diskBytes: 0,
    attempts: 1,
    devices: [{ uuid: 'GPU-1', vramBytes: 3 * GiB, holders: 1 }],
  },
  ledger,
  doubts: ['said that t1 held 9 EiB'],
  tasks: [],
};
const cells = (nodes: readonly NodeDocument[]) =>
  ledgerTable(nodes, 200).map((line) => line.trim().split(/ {2,}/));

it('says of processors, memory and each card what is reserved, observed, foreign and free', () => {
  expect(cells([node])).toEqual([
    ['LEDGER', 'OF', 'HAS', 'RESERVED', 'OBSERVED', 'FOREIGN', 'FREE'],
    ['forge', 'CPU', '32', '1.5', '0.7', '-', '30.5'],
    ['forge', 'memory', '128 GiB', '4 GiB', '3 GiB', '20 GiB', '100 GiB'],
    ['forge', 'GeForce GTX 1060 6GB', '6064 MiB', '3 GiB', '1 GiB', '512 MiB', '2 GiB'],
  ]);
  expect(nodeJson(node)).toMatchObject({
    observed: ledger.observed,
    foreignBytes: 20 * GiB,
    free: { memoryBytes: 100 * GiB },
    devices: [{ observedBytes: GiB, freeBytes: 2 * GiB }],
  });
});

it('says nothing of what an older broker does not tell, and nothing of a machine that has not reported', () => {
  const { ledger: _, doubts: __, ...older } = node;
  expect(cells([older, { ...node, report: null }]).map((row) => [row[4], row[6]])).toEqual([
    ['OBSERVED', 'FREE'],
    ['-', '-'],
    ['-', '-'],
    ['1 GiB', '-'],
  ]);
  expect(nodeJson(older)).toMatchObject({ observed: null, devices: [{ freeBytes: null }] });
});

it('tells what a worker said that cannot be', () => {
  expect(nodeLines(node, styleOf(false), 200)).toContain('trouble: said that t1 held 9 EiB');
  expect(nodeJson(node).troubles).toEqual(['said that t1 held 9 EiB']);
});

it('says how far what was foretold was from what came, short for the machine and by class', () => {
  const error = (seen: number, factor: number, lean = 1) => ({ seen, factor, lean });
  const predictions = [
    { taskClass: 'container train', run: error(9, 2, 1.5), memory: error(9, 1.25) },
    { taskClass: 'process', run: error(1, 2) },
  ];
  const [titles, row] = nodeTable([{ ...node, predictions }], styleOf(false), 200);
  expect([titles, row].join()).toMatch(/FORETOLD OFF BY.*run ×2\.0, memory ×1\.3/);
  const lines = nodeLines({ ...node, predictions }, styleOf(false), 200);
  expect(lines.map((line) => line.trim().split(/ {2,}/))).toEqual(
    expect.arrayContaining([
      ['FORETOLD OF', 'RUN OFF BY', 'MEMORY OFF BY', 'VRAM OFF BY'],
      ['container train', '×2.0 of 9, came ×1.5', '×1.3 of 9', '-'],
      ['process', '×2.0 of 1', '-', '-'],
    ]),
  );
  expect(nodeJson({ ...node, predictions }).predictions).toEqual(predictions);
  const fetched = [{ taskClass: 'container train', fetch: error(3, 4), start: error(1, 1.25) }];
  const more = nodeLines({ ...node, predictions: fetched }, styleOf(false), 200).join('\n');
  expect(more).toMatch(/VRAM OFF BY +FETCH OFF BY +START OFF BY\n/);
  expect(more).toMatch(/train +- +- +- +×4\.0 of 3 +×1\.3 of 1/);
  expect(nodeTable([{ ...node, predictions: fetched }], styleOf(false), 200)[1]).toContain(
    'fetch ×4.0, start ×1.3',
  );
  expect(nodeTable([node], styleOf(false), 200)[0]).not.toContain('FORETOLD');
});
