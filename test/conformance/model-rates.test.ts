/** How fast models run on the seats of a machine, by the real llama-bench. No card is here: one is named that no engine sees. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Device, DeviceUuid } from '@gryphgen/protocol';
import { createLog, systemClock } from '@gryphgen/runtime';
import { tinyBert, tinyLlama, writeGguf } from '@gryphgen/testkit';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { HeldModels } from '../../packages/worker/src/calibration/held-models.ts';
import { benchBeside, benchedIn } from '../../packages/worker/src/calibration/llama-bench.ts';
import { ModelRates } from '../../packages/worker/src/calibration/model-rates.ts';
import { LlamaEngines } from '../../packages/worker/src/engines/llama-engines.ts';
import { llamaProgram } from './llama-program.ts';

const server = llamaProgram('llama-server');
const here = { devices: [], cores: 1 };
const going = new AbortController().signal;
let folder: string;
let files: Map<string, number>;
let said: string;
let rates: ModelRates;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gg-rates-'));
  files = new Map();
  said = '';
  const write = (line: string): void => {
    said += line;
  };
  const log = createLog({ daemon: 'test', level: 'info', to: { write } });
  const paths = { path: process.env.PATH ?? '', libraries: '' };
  const engines = new LlamaEngines({ programs: server, paths, clock: systemClock, log });
  await engines.look();
  const store = {
    filesFrom: (least: number) =>
      [...files].filter(([, bytes]) => bytes >= least).map(([id, bytes]) => ({ id, bytes })),
    fileOf: (id: string) => join(folder, id),
  };
  rates = new ModelRates({ engines, models: new HeldModels(store, 1), paths, log });
});

afterEach(() => rm(folder, { recursive: true }));

async function hold(id: string, { metadata, tensors }: ReturnType<typeof tinyLlama>): Promise<number> {
  await writeGguf(join(folder, id), metadata, tensors);
  files.set(id, 1_000_000);
  return 1_000_000;
}

it('the host is measured with a model that writes, once, and again with one that is much larger', async () => {
  expect(await rates.next([], here, going)).toBeNull();
  await hold('embeds', tinyBert('embed'));
  await writeFile(join(folder, 'text'), 'no model');
  files.set('text', 8);
  expect(await rates.next([], here, going)).toBeNull();
  const bytes = await hold('writes', tinyLlama());
  const host = await rates.next([], here, going);
  expect(host).toMatchObject({ seat: 'host', modelBytes: bytes });
  if (host === null) return;
  // A million weights are read more often than once a second, and slower than any memory could.
  expect(host.weightsBytesPerS).toBeGreaterThan(1e6);
  expect(host.weightsBytesPerS).toBeLessThan(1e13);
  expect(host.promptTokensPerS).toBeGreaterThan(10);
  expect(host.engine).toContain('11669');
  expect(await rates.next([host], here, going)).toBeNull();
  expect(await rates.next([{ ...host, modelBytes: bytes / 4 }], here, going)).toMatchObject({ seat: 'host' });
  expect(await rates.next([{ ...host, engine: 'older' }], here, going)).toMatchObject({ seat: 'host' });
  expect(said).toBe('');
});

it('what cannot be measured is said once, and the other seats are measured', async () => {
  await hold('gone', tinyLlama());
  const known = { seat: 'host', engine: '', modelBytes: 1e6, weightsBytesPerS: 1, promptTokensPerS: 1 };
  const host = await rates.next([known], here, going);
  expect(host?.seat).toBe('host');
  // Its header is known by now.
  await rm(join(folder, 'gone'));
  expect(await rates.next([], here, going)).toBeNull();
  expect(said).toContain('failed to load model');
  const after = said.length;
  expect(await rates.next([], here, going)).toBeNull();
  expect(said).toHaveLength(after);

  await hold('whole', tinyLlama());
  files.delete('gone');
  const card = { uuid: 'GPU-1' as DeviceUuid, vramBytes: 12e9, foreignBytes: 0 } as Device;
  const full = { ...card, uuid: 'GPU-2' as DeviceUuid, foreignBytes: 11.5e9 };
  expect(await rates.next([], { ...here, devices: [card, full] }, going)).toMatchObject({ seat: 'host' });
  expect(await rates.next(host ? [host] : [], { ...here, devices: [card, full] }, going)).toBeNull();
  expect(said).toContain('nothing here computes on GPU-1');
  expect(said).not.toContain('GPU-2');
});

it('it is broken off at once', async () => {
  await hold('writes', tinyLlama());
  const abort = new AbortController();
  const measuring = rates.next([], here, abort.signal);
  abort.abort();
  expect(await measuring).toBeNull();
  expect(said).toBe('');
  expect(await rates.next([], here, going)).toMatchObject({ seat: 'host' });
});

it('llama-bench is looked for where llama-server is', async () => {
  expect(await benchBeside(server)).toBe(join(dirname(server), 'llama-bench'));
  expect(await benchBeside(join(folder, 'llama-server'))).toBeUndefined();
});

it.each([
  ['nothing', ''],
  ['half of it', '{"n_prompt": 128, "n_gen": 0, "avg_ts": 80.5}\n{"n_prompt": 0, "n_ge'],
  ['no rate', '{"n_prompt": 128, "n_gen": 0, "avg_ts": 80.5}\n{"n_prompt": 0, "n_gen": 16, "avg_ts": 0}'],
])('of what it prints %s is no answer', (_, text) => {
  expect(benchedIn(text)).toBeUndefined();
});
