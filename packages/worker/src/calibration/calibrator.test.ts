import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Measured } from '@gryphgen/protocol';
import { type Alarms, createLog } from '@gryphgen/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Calibrator, keptCalibration } from './calibrator.ts';
import { measureWith } from './measure.ts';

const seats = { devices: [], cores: 2 };
const measured: Measured = { cpuSingle: 0.7, cpuMulti: 1.4, memoryBytesPerS: 1e10 };
let home: string;
let folder: string;
let asked: AbortSignal[];
let open: Calibrator[];

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'gg-calibrator-'));
  folder = join(home, 'worker');
  await mkdir(folder);
  asked = [];
  open = [];
});

afterEach(async () => {
  for (const each of open) await each.close();
  await rm(home, { recursive: true });
});

async function calibrator(
  answer: (signal: AbortSignal) => Promise<Measured> = async () => measured,
  anew = false,
): Promise<Calibrator> {
  const made = new Calibrator({
    folder,
    anew,
    measure: (_folder, signal) => {
      asked.push(signal);
      return answer(signal);
    },
    clock: { mono: () => 1, wall: () => 5000 },
    log: createLog({ daemon: 'test', level: 'silent' }),
  });
  open.push(made);
  await made.load();
  return made;
}

const untilAborted = (signal: AbortSignal): Promise<Measured> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve({})));

describe('what a machine was measured to be', () => {
  it('is measured once, and kept', async () => {
    const first = await calibrator();
    expect(await first.measureIfUnknown()).toBe(false); // nobody has said yet what machine it is
    expect(first.of('forge', seats)).toBeUndefined();
    expect(await first.measureIfUnknown()).toBe(true);
    expect(first.of('forge', seats)).toEqual({ at: 5000, ...measured });
    expect(await first.measureIfUnknown()).toBe(false);
    await first.close();
    expect(keptCalibration(home)).toEqual({ at: 5000, ...measured });
    const next = await calibrator();
    expect(next.of('forge', seats)).toEqual({ at: 5000, ...measured });
    expect(await next.measureIfUnknown()).toBe(false);
    expect(asked).toHaveLength(1);
  });

  it('is measured anew when the machine is another, and when that is asked for', async () => {
    const first = await calibrator();
    first.of('forge', seats);
    await first.measureIfUnknown();
    expect(first.of('forge with another card', seats)).toBeUndefined();
    expect(await first.measureIfUnknown()).toBe(true);
    await first.close();
    const next = await calibrator(undefined, true);
    expect(next.of('forge with another card', seats)).toBeUndefined();
    expect(await next.measureIfUnknown()).toBe(true);
    expect(asked).toHaveLength(3);
  });

  it('is left for later when an attempt starts, and that is no failure', async () => {
    const one = await calibrator(untilAborted);
    one.of('forge', seats);
    for (let time = 0; time < 5; time += 1) {
      const measuring = one.measureIfUnknown();
      expect(await one.measureIfUnknown()).toBe(false); // one at a time
      one.interrupt();
      expect(await measuring).toBe(false);
    }
    expect(asked).toHaveLength(5);
    expect(one.troubles).toEqual([]);
  });

  it('is given up after some failures, and says why', async () => {
    const one = await calibrator(async () => ({}));
    one.of('forge', seats);
    for (let time = 0; time < 5; time += 1) expect(await one.measureIfUnknown()).toBe(false);
    expect(asked).toHaveLength(3);
    expect(one.troubles).toEqual([
      'this machine could not be measured (3 times): the process that measures it ended early',
    ]);
  });

  it('is then how fast models run there, a seat at a time, kept with it', async () => {
    const rate = { weightsBytesPerS: 1e10, promptTokensPerS: 100, engine: 'b1', modelBytes: 1e9 };
    const [host, card, faster] = [
      { ...rate, seat: 'host' },
      { ...rate, seat: 'GPU-1' },
      { ...rate, seat: 'host', weightsBytesPerS: 2e10, engine: 'b2' },
    ];
    const told: (readonly string[])[] = [];
    const left: (typeof host)[] = [host, card, faster];
    const one = await calibrator();
    one.of('forge', seats);
    one.measureModelsBy({
      next: async (known, at) => {
        expect(at).toBe(seats);
        told.push(known.map(({ seat, engine }) => `${seat} ${engine}`));
        return left.shift() ?? null;
      },
    });
    for (const more of [true, true, true, true, false]) expect(await one.measureIfUnknown()).toBe(more);
    expect(told).toEqual([[], ['host b1'], ['host b1', 'GPU-1 b1'], ['GPU-1 b1', 'host b2']]);
    expect(one.of('forge', seats)).toEqual({ at: 5000, ...measured, models: [card, faster] });
    await one.close();
    expect(keptCalibration(home)?.models).toEqual([card, faster]);
  });

  it('is not waited for where a driver hangs', async () => {
    const one = await calibrator();
    one.of('forge', seats);
    one.measureModelsBy({ next: () => new Promise(() => undefined) });
    expect(await one.measureIfUnknown()).toBe(true);
    const measuring = one.measureIfUnknown();
    one.interrupt();
    expect(await measuring).toBe(false);
    expect(one.troubles).toEqual([]);
  });

  it('ends with the worker', async () => {
    const one = await calibrator(untilAborted);
    one.of('forge', seats);
    const measuring = one.measureIfUnknown();
    await one.close();
    expect(await measuring).toBe(false);
    expect(await one.measureIfUnknown()).toBe(false);
  });

  it('is nothing where what was kept is damaged', async () => {
    await writeFile(join(folder, 'calibration.json'), '{"format":1,"mach');
    expect(keptCalibration(home)).toBeNull();
    expect((await calibrator()).of('forge', seats)).toBeUndefined();
    await writeFile(
      join(folder, 'calibration.json'),
      '{"format":0,"machine":"forge","calibration":{"at":1}}',
    );
    expect(keptCalibration(home)).toBeNull();
    expect((await calibrator()).of('forge', seats)).toBeUndefined();
  });
});

describe('the process that measures', () => {
  /** However slow this machine is. */
  const patient: Alarms = { after: () => () => undefined };
  const program = new URL('../../dist/calibration/measuring.js', import.meta.url).pathname;

  it('tells each part, and leaves nothing', async () => {
    const found = await measureWith(patient, program, 1)(folder, new AbortController().signal);
    expect(found.cpuSingle).toBeGreaterThan(0);
    expect(found.cpuMulti).toBeGreaterThanOrEqual(found.cpuSingle ?? Number.NaN);
    for (const rate of Object.values(found)) expect(rate).toBeGreaterThan(0);
    expect(await readdir(folder)).toEqual([]);
  });

  it('tells what it had when its disk is not there, and what it has when it is ended', async () => {
    const cut = await measureWith(patient, program, 1)(join(folder, 'none'), new AbortController().signal);
    expect(cut.cpuSingle).toBeGreaterThan(0);
    expect(cut.diskWriteBytesPerS).toBeUndefined();
    const abort = new AbortController();
    const ended = measureWith(patient, program, 60_000)(folder, abort.signal);
    abort.abort();
    expect(await ended).toEqual({});
  });
});
