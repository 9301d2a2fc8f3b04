import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { run } from '../program.ts';
import { openTerminal } from '../terminal.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gg-simulate-'));
  writeFileSync(join(folder, 'nodes.csv'), 'sn,cpu_milli,memory_mib,gpu,model\n"a,1",8000,1024,2,T4\n');
  const tasks = ['part,1000,1,1,600', 'whole,1000,1,1,1000', 'wide,9000,1,1,100'];
  writeFileSync(
    join(folder, 'tasks.csv'),
    ['name,cpu_milli,memory_mib,num_gpu,gpu_milli', ...tasks].join('\n'),
  );
});
afterEach(() => rmSync(folder, { recursive: true }));

async function grid(...args: readonly string[]) {
  const texts = { out: '', err: '' };
  const sink = (name: 'out' | 'err') =>
    new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        texts[name] += chunk.toString();
        done();
      },
    });
  const files = ['--nodes', join(folder, 'nodes.csv'), '--tasks', join(folder, 'tasks.csv')];
  const code = await run(openTerminal(sink('out'), sink('err'), {}), ['simulate', ...files, ...args]);
  return { code, ...texts };
}

it('places a trace, says how much was given out, and writes where each task went', async () => {
  const placed = join(folder, 'placed.csv');
  const { code, out } = await grid('--ratio', '0.85', '--seed', '5', '--json', '--assignments', placed);
  expect(code).toBe(0);
  expect(JSON.parse(out)).toEqual({
    ...{ policy: 'default', seed: 5, ratio: 0.85, nodes: 1, gpus: 2 },
    ...{ arrived: 3, placed: 2, dropped: 1, allocAt100: null, allocAtRatio: 80 },
  });
  const [header, ...lines] = readFileSync(placed, 'utf8').trimEnd().split('\n');
  expect(header).toBe('task,arrival,node,gpu_indices,gpu_milli');
  const [part, whole, wide] = [...lines]
    .sort()
    .map((line) => /^(\w+),([0-9]),(.*)$/.exec(line)?.slice(1) ?? []);
  expect([part?.[0], whole?.[0], wide?.[0]]).toEqual(['part', 'whole', 'wide']);
  expect([part?.[1], whole?.[1], wide?.[1]].sort()).toEqual(['0', '1', '2']);
  expect(part?.[2]).toMatch(/^"a,1",[01],600$/);
  expect(whole?.[2]).toMatch(/^"a,1",[01],1000$/);
  expect(wide?.[2]).toBe(',,0');
});

it('says it in words too', async () => {
  const { code, out } = await grid('--ratio', '0.85', '--policy', 'bestfit');
  expect(code).toBe(0);
  expect(out).toBe(
    'bestfit, seed 42: 1 nodes, 2 GPUs; 3 tasks arrived, 2 placed, 1 dropped\nallocated  80.00 % of the GPUs when 85 % had been asked for\n',
  );
});

it.each([
  [['--ratio', '0'], '--ratio: found "0", expected a number above 0, at most 10, such as 1.3'],
  [['--seed', '-1'], '--seed: found "-1", expected a whole number from 0 to 4294967295'],
  [['--policy', 'best'], "option '--policy <name>' argument 'best' is invalid"],
])('refuses %j', async (args, words) => {
  const { code, err } = await grid(...args);
  expect(code).toBe(2);
  expect(err).toContain(words);
});

it('refuses a trace that can never ask for enough', async () => {
  writeFileSync(join(folder, 'tasks.csv'), 'name,cpu_milli,memory_mib,num_gpu,gpu_milli\np,1,1,0,0\n');
  expect(await grid()).toMatchObject({ code: 2, err: 'grid: nothing to simulate: no task asks for a GPU\n' });
});
