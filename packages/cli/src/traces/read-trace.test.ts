import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { UsageError } from '../problem.ts';
import { readNodes, readTasks } from './read-trace.ts';

let folder: string;
const write = (...lines: readonly string[]): string => {
  const file = join(folder, 'trace.csv');
  writeFileSync(file, lines.join('\n'));
  return file;
};
const problemsOf = (read: () => unknown): readonly string[] => {
  try {
    read();
  } catch (error) {
    if (error instanceof UsageError) return error.lines.map((line) => line.replace(folder, ''));
    throw error;
  }
  throw new Error('there was no problem');
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gg-trace-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const taskHeader = 'name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec';

it('reads nodes and tasks, whatever the order of columns and the line ends', () => {
  const nodes = readNodes(write('gpu,sn,model,cpu_milli,memory_mib\r', '2,"a, b",T4,64000,262144\r', ''));
  expect(nodes).toEqual({
    rows: [{ name: 'a, b', cpuMilli: 64_000, memoryMiB: 262_144, gpuCount: 2, model: 'T4' }],
    unknown: [],
  });
  const tasks = readTasks(
    write(`\uFEFF${taskHeader},qos,mood`, 'p1,1000,2048,1,460,T4|P100,LS,good', 'p2,1,2,0,7,,LS,'),
  );
  expect(tasks).toEqual({
    rows: [
      { name: 'p1', cpuMilli: 1000, memoryMiB: 2048, gpuCount: 1, gpuMilli: 460, models: ['T4', 'P100'] },
      { name: 'p2', cpuMilli: 1, memoryMiB: 2, gpuCount: 0, gpuMilli: 0, models: [] },
    ],
    unknown: ['mood'],
  });
});

it('tells everything that is wrong with its line and column', () => {
  const lines = [
    taskHeader,
    ',1,1,0,0,',
    'p,-1,1,0,0,',
    'p,1,,0,0,',
    'p,1,1,99,1,',
    'p,1,1,2,500,',
    'p,1,1,1,0,',
  ];
  expect(problemsOf(() => readTasks(write(...lines)))).toEqual([
    '/trace.csv:2: name: expected a name, found nothing',
    '/trace.csv:3: cpu_milli: found "-1", expected a whole number from 0 to 1000000000',
    '/trace.csv:4: memory_mib: found nothing, expected a whole number from 0 to 1000000000',
    '/trace.csv:5: num_gpu: found "99", expected a whole number from 0 to 64',
    '/trace.csv:6: gpu_milli: found 500, expected 1000: several GPUs are taken whole',
    '/trace.csv:7: gpu_milli: found "0", expected a whole number from 1 to 1000',
  ]);
});

it('says of a flood of problems how many more there are', () => {
  const lines = Array.from({ length: 30 }, () => 'p,x,1,0,0,');
  const problems = problemsOf(() => readTasks(write(taskHeader, ...lines)));
  expect(problems).toHaveLength(21);
  expect(problems.at(-1)).toBe('and 10 more such problems');
});

it.each([
  [
    'no columns',
    [''],
    '/trace.csv:1: found the columns (none), expected also sn, cpu_milli, memory_mib, gpu',
  ],
  [
    'other columns',
    ['sn,gpu', 'a,1'],
    '/trace.csv:1: found the columns sn, gpu, expected also cpu_milli, memory_mib',
  ],
  [
    'no lines',
    ['sn,cpu_milli,memory_mib,gpu,model'],
    '/trace.csv: expected a line at least beside its header',
  ],
  [
    'a line that is too short',
    ['sn,cpu_milli,memory_mib,gpu,model', 'a,1,1,1,T4', 'b,1'],
    '/trace.csv:3: no line of a CSV file: Invalid Record Length: columns length is 5, got 2 on line 3',
  ],
  [
    'a quote that does not end',
    ['sn,cpu_milli,memory_mib,gpu,model', '"a,1,1,1,T4'],
    '/trace.csv:2: no line of a CSV file: Quote Not Closed: the parsing is finished with an opening quote at line 2',
  ],
  [
    'two nodes of one name',
    ['sn,cpu_milli,memory_mib,gpu,model', 'a,1,1,1,T4', 'a,1,1,1,T4'],
    '/trace.csv:3: sn: another node is called "a" too',
  ],
])('refuses a file with %s', (_, lines, problem) => {
  expect(problemsOf(() => readNodes(write(...lines)))).toEqual([problem]);
});
