import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TaskId } from '@gryphgen/protocol';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type FoldedRow, HistoryTable } from './history-table.ts';

let folder: string;
let table: HistoryTable;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gg-history-'));
  table = new HistoryTable(join(folder, 'history.db'), { rows: 100, ageMs: 1000, pageRows: 100 });
});
afterEach(() => {
  table.close();
  rmSync(folder, { recursive: true });
});

const rowOf = (task: number, endedAt: number): FoldedRow => ({
  task: task as TaskId,
  seq: task,
  name: 'x',
  state: 'succeeded',
  endedAt,
  document: '{}',
});

test('of a write that failed nothing is left: the next one removes nothing by what it would have told', () => {
  table.write([rowOf(1, 10)], 1, true);
  // Its rows are in when its position, the last of it, is refused.
  expect(() => table.write([rowOf(2, 1_000_000)], null as never, true)).toThrow('NOT NULL');
  expect(table.position.seq).toBe(1);
  table.write([rowOf(2, 20)], 2, true);
  expect(table.query({ limit: 10 }).rows.map(({ task }) => task)).toEqual([2, 1]);
  expect(table.position.seq).toBe(2);
});
