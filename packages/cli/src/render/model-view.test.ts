/** What people are shown of models: where one fits, and what is foreseen there. */
import type { ModelPlanDocument } from '@gryphgen/protocol';
import { expect, it } from 'vitest';
import { openTerminal } from '../terminal.ts';
import { planLines } from './model-view.ts';

const worker: ModelPlanDocument['workers'][number] = {
  ...{ worker: 'w-1', name: 'forge', kind: 'host', devices: [], hostLayers: 3, hostBytes: 2 ** 30 },
  reasons: ['fits on the host alone'],
};

it('says whether a speed was measured or estimated, or is not known', () => {
  const terminal = openTerminal(process.stdout, process.stderr, { TERM: 'dumb' });
  const workers: ModelPlanDocument['workers'] = [
    {
      ...worker,
      tokensPerS: { value: 41.4, from: 'measured' },
      loadMs: { value: 2000, from: 'measured' },
    },
    { ...worker, tokensPerS: { value: 3.21, from: 'estimated' } },
  ];
  const [, measured, estimated] = planLines({ workers }, terminal);
  expect(measured).toMatch(/ 41 measured +2 s measured /);
  expect(estimated).toMatch(/ ~3.2 estimated +- /);
});

it('says of what the bytes are made, of each device and of the host', () => {
  const terminal = openTerminal(process.stdout, process.stderr, { TERM: 'dumb' });
  const GiB = 2 ** 30;
  const memory = (weights: number, learned: number, overhead = GiB / 2) => ({
    ...{ weightBytes: weights * GiB, cacheBytes: GiB, computeBytes: GiB / 4, overheadBytes: overhead },
    ...{ learnedBytes: learned * GiB, totalBytes: (weights + 1.25 + learned) * GiB + overhead },
  });
  const devices = [
    { uuid: 'GPU-1', name: 'RTX 3060', layers: 22, bytes: 11 * GiB, memory: memory(9, 0.25) },
    { uuid: 'GPU-2', name: 'GTX 1060', layers: 11, bytes: 5 * GiB, memory: memory(4, -0.5) },
  ];
  const hostMemory = { ...memory(0, 0, 0), cacheBytes: 0, totalBytes: GiB / 4 };
  const plan = { ...worker, kind: 'divided', devices, hostLayers: 0, hostMemory } as const;
  const lines = planLines({ workers: [plan] }, terminal).map((line) => line.replace(/ {2,}/g, '  '));
  expect(lines.slice(-4)).toEqual([
    expect.stringMatching(
      /^WORKER {2}ON {2}LAYERS {2}WEIGHTS {2}CACHE {2}COMPUTING {2}DRIVER {2}LEARNED {2}ALL$/,
    ),
    'forge  RTX 3060  22  9 GiB  1 GiB  256 MiB  512 MiB  256 MiB  11 GiB',
    'forge  GTX 1060  11  4 GiB  1 GiB  256 MiB  512 MiB  -512 MiB  5376 MiB',
    'forge  host  0  -  -  256 MiB  -  -  256 MiB',
  ]);
});

it('tells what does not fit now from what never would', () => {
  const terminal = openTerminal(process.stdout, process.stderr, { TERM: 'dumb' });
  const no = { ...worker, kind: 'no', hostLayers: 0, hostBytes: 0, reasons: ['2 GiB short'] } as const;
  const workers: ModelPlanDocument['workers'] = [
    { ...no, whenEmpty: { kind: 'host', reasons: ['fits on the host alone'] } },
    { ...no, whenEmpty: { kind: 'no', reasons: ['1 GiB short', 'no devices'] } },
    no,
  ];
  const lines = planLines({ workers }, terminal).map((line) => line.replace(/ {2,}/g, '  '));
  expect(lines.slice(1)).toEqual([
    'forge  not now  -  -  -  -  on the host with nothing else there; 2 GiB short',
    'forge  never fits  -  -  -  -  even with nothing else there: 1 GiB short; no devices',
    'forge  does not fit  -  -  -  -  2 GiB short',
  ]);
});
