/**
 * Files into the grid: the rate of one, beside a bare CURVE socket with a sha-256 at its end; and what tasks, questions to
 * the broker and a bare echo notice of four at a time.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { BenchGrid } from './bench-grid.ts';
import type { BenchProcess } from './bench-process.ts';
import type { Benchmark } from './benchmark.ts';
import type { ControlReport } from './processes/load-orders.ts';
import type { TransferAnswer, TransferOrder } from './processes/transfer-orders.ts';
import { comparedRow, type Row, row } from './row.ts';
import { median } from './statistics.ts';

const mebi = 1024 * 1024;
const atOnce = 4;
/** Of each kind, a second. */
const rate = 200;

export const transfer: Benchmark = {
  name: 'transfer',
  about: 'files into the grid, beside a bare CURVE socket and sha-256; control traffic while four files come',
  async run({ scale, ...setting }) {
    const grid = await BenchGrid.start({ scale, ...setting }, { workers: 1, clients: 1 });
    try {
      const ends = await Promise.all(Array.from({ length: atOnce + 1 }, () => grid.spawnTransfer()));
      const [receiver, sender, ...others] = ends as [BenchProcess, BenchProcess, ...BenchProcess[]];
      const listens = await tell(receiver, { kind: 'listen' });
      if (listens.kind !== 'listens') throw new Error('it does not listen');
      const bytes = scale.transferMebi * mebi;
      const [pipes, brought]: [number[], number[]] = [[], []];
      for (let round = 0; round < scale.rounds; round += 1) {
        const file = randomFile(grid.home, `round-${round}`, bytes);
        pipes.push(bytes / mebi / (await seconds(sender, { kind: 'pipe', file, to: listens.end })));
        brought.push(bytes / mebi / (await seconds(sender, grid.bring(file))));
      }
      const alone = await grid.control(rate, scale.steadySeconds);
      const senders = [sender, ...others];
      const files = senders.map((_, index) => randomFile(grid.home, `beside-${index}`, scale.rounds * bytes));
      const bringing = senders.map((each, index) => seconds(each, grid.bring(files[index] ?? '')));
      const beside = await grid.control(rate, scale.steadySeconds);
      await Promise.all(bringing);
      const pipe = { name: 'transfer.floor.pipe', value: median(pipes) };
      return [
        row(pipe.name, pipe.value, 'MiB/s'),
        comparedRow('transfer.brought', median(brought), 'MiB/s', pipe),
        ...controlRows('alone', alone),
        ...controlRows('beside', beside),
      ];
    } finally {
      await grid.stop();
    }
  },
};

/** What a bare echo meets is the machine's. */
function controlRows(when: 'alone' | 'beside', { tasks, questions, echoes }: ControlReport): readonly Row[] {
  const floor = { name: `transfer.echo.${when}.p99`, value: echoes.p99Ms };
  return [
    row(floor.name, floor.value, 'ms'),
    comparedRow(`transfer.questions.${when}.p99`, questions.p99Ms, 'ms', floor),
    comparedRow(`transfer.tasks.${when}.p99`, tasks.p99Ms, 'ms', floor),
    row(`transfer.tasks.${when}.p50`, tasks.p50Ms, 'ms'),
  ];
}

async function tell(process: BenchProcess, order: TransferOrder): Promise<TransferAnswer> {
  const answer = await process.ask<TransferAnswer>(order, 'listens', 'moved', 'failed');
  if (answer.kind === 'failed') throw new Error(answer.message);
  return answer;
}

async function seconds(process: BenchProcess, order: TransferOrder): Promise<number> {
  const answer = await tell(process, order);
  return answer.kind === 'moved' ? answer.seconds : 0;
}

/** On disk, so that its writing is not part of what follows. */
function randomFile(folder: string, name: string, bytes: number): string {
  mkdirSync(join(folder, 'files'), { recursive: true });
  const path = join(folder, 'files', name);
  const file = openSync(path, 'w');
  for (let at = 0; at < bytes; at += mebi) writeSync(file, randomBytes(mebi));
  fsyncSync(file);
  closeSync(file);
  return path;
}
