/**
 * `npm run bench -- [NAME…] [--json] [--tiny] [--profile DIR] [--drawing FILE]`: measures this grid on this machine, and says what each
 * number is held against. Rows go to stdout, progress to stderr. docs/benchmarks.md says how to read them.
 */
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { behind } from './behind.ts';
import type { Benchmark } from './benchmark.ts';
import { container } from './container.ts';
import { cost } from './cost.ts';
import { gateway, gatewayLarge } from './gateway.ts';
import { latency } from './latency.ts';
import { learningDrawing } from './learning-drawing.ts';
import { memory } from './memory.ts';
import { mixed } from './mixed.ts';
import { peers } from './peers.ts';
import { placement } from './placement.ts';
import { reconnect } from './reconnect.ts';
import { retrieval } from './retrieval.ts';
import { retrievalBus } from './retrieval-bus.ts';
import { type Row, renderRows } from './row.ts';
import { fullScale, tinyScale } from './scale.ts';
import { tasks } from './tasks.ts';
import { traces } from './traces.ts';
import { transfer } from './transfer.ts';
import { vectors } from './vectors.ts';

const benchmarks: readonly Benchmark[] = [
  tasks,
  latency,
  peers,
  cost,
  memory,
  behind,
  placement,
  mixed,
  reconnect,
  container,
  transfer,
  retrieval,
  retrievalBus,
  vectors,
  gateway,
  gatewayLarge,
];
/** Too long for who asks for all. */
const byName: readonly Benchmark[] = [traces];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    /** Shows that everything runs; its numbers mean nothing. */
    tiny: { type: 'boolean', default: false },
    /** CPU profiles of each process go there. */
    profile: { type: 'string' },
    /** Of `mixed`: how placement learns is drawn there, as SVG. */
    drawing: { type: 'string' },
  },
});

const chosen = positionals.length === 0 ? benchmarks : positionals.map(named);
const say = (words: string): void => void process.stderr.write(`${words}\n`);
const rows: Row[] = [];
for (const { name, about, run } of chosen) {
  say(`${name}: ${about}`);
  const profileDir = values.profile === undefined ? undefined : resolve(values.profile, name);
  rows.push(...(await run({ scale: values.tiny ? tinyScale : fullScale, say, profileDir })));
}
if (values.drawing !== undefined) writeFileSync(values.drawing, learningDrawing(rows));
process.stdout.write(`${values.json ? JSON.stringify(rows, undefined, 2) : renderRows(rows)}\n`);

function named(name: string): Benchmark {
  const all = [...benchmarks, ...byName];
  const found = all.find((benchmark) => benchmark.name === name);
  if (found !== undefined) return found;
  process.stderr.write(`no benchmark ${name}: there are ${all.map((each) => each.name).join(', ')}\n`);
  process.exit(2);
}
