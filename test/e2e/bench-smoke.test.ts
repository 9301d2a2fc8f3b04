/**
 * Each benchmark runs and says what it should, at sizes that measure nothing: no number is judged here, because a test
 * that judges time fails when the machine is busy.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { Row } from '../bench/row.ts';

const main = fileURLToPath(new URL('../bench/main.ts', import.meta.url));
const run = promisify(execFile);

const expected: Readonly<Record<string, readonly string[]>> = {
  tasks: [
    'tasks.best',
    'tasks.median',
    'tasks.p50',
    'tasks.p99',
    'tasks.floor.fdatasync',
    'tasks.floor.echo',
  ],
  latency: [
    'latency.alone.p50',
    'latency.alone.p99',
    'latency.half.rate',
    'latency.half.p50',
    'latency.half.p99',
  ],
  peers: ['peers.3+3', 'peers.1+1'],
  cost: ['cost.broker', 'cost.worker', 'cost.client', 'cost.wire', 'cost.written'],
  memory: ['memory.resident', 'memory.heap', 'memory.buffers', 'memory.accepted'],
  behind: ['behind.none', 'behind.accepted', 'behind.tasks'],
  placement: ['placement.10.cpu.first.p50', 'placement.20.vram.stream.p99'],
  mixed: [
    'mixed.reference.50.mean',
    'mixed.reference.50.p99',
    'mixed.reference.slowdown-noticed',
    'mixed.learning.50.100',
  ],
  traces: ['traces.default.default.130', 'traces.default.ahead.100', 'traces.seconds'],
  transfer: [
    'transfer.brought',
    'transfer.floor.pipe',
    'transfer.echo.beside.p99',
    'transfer.questions.beside.p99',
  ],
  reconnect: ['reconnect.3'],
  retrieval: [
    'retrieval.cranfield.ndcg10',
    'retrieval.cosqa-dev.map',
    'retrieval.cosqa-test.recall100',
    'retrieval.ingest.text',
    'retrieval.ingest.code',
    'retrieval.100.query.p50',
  ],
  'retrieval-bus': [
    'retrieval.bus.ingest.text',
    'retrieval.bus.ingest.code',
    'retrieval.bus.task.p50',
    'retrieval.bus.100.query.p50',
  ],
  vectors: ['vectors.texts.query.p50', 'vectors.noise.recall10'],
  gateway: [
    'gateway.gateway.requests.1',
    'gateway.proxy.requests.32',
    'gateway.gateway.first.p50',
    'gateway.gateway.tokens',
    'gateway.cost.broker.loop.8',
  ],
  container: [
    'container.grid.p50',
    'container.warm.p50',
    'container.next.p50',
    'container.shell.p50',
    'container.dockerode.p50',
  ],
};

const bench = (...args: string[]) =>
  run(process.execPath, ['--import', 'tsx', main, ...args, '--tiny', '--json']);

describe('npm run bench', () => {
  it.each(Object.keys(expected))(
    '%s prints its rows and nothing else on stdout',
    {
      timeout: 300_000,
    },
    async (name) => {
      const { stdout, stderr } = await bench(name);
      const rows = JSON.parse(stdout) as Row[];
      if (!stderr.includes('left out'))
        expect(rows.map((row) => row.name)).toEqual(expect.arrayContaining([...(expected[name] ?? [])]));
      for (const row of rows) {
        const compared = { against: expect.any(String), ratio: expect.any(Number) };
        expect(row).toEqual({
          name: expect.any(String),
          value: expect.any(Number),
          unit: expect.any(String),
          ...('ratio' in row && compared),
        });
      }
    },
  );

  it('names what there is when asked for what there is not', async () => {
    await expect(bench('speed')).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining('placement'),
    });
  });
});
