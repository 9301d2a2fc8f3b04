import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type ClassErrors, PredictionErrors } from './prediction-errors.ts';

it('twice and half as much are as far off; what leans to one side says so', () => {
  const errors = new PredictionErrors();
  errors.note('w-1', 'a', { run: [100, 200] });
  errors.note('w-1', 'a', { run: [100, 50], memory: [10, 40] });
  const { run, memory, vram } = errors.of('w-1', 9)[0] as ClassErrors;
  expect(run?.factor).toBeCloseTo(2);
  expect(run?.lean).toBeCloseTo(1);
  expect(run?.seen).toBe(2);
  expect(memory?.factor).toBeCloseTo(4);
  expect(memory?.lean).toBeCloseTo(4);
  expect(vram).toBeUndefined();
});

it('of what was not foretold, or not seen, nothing is kept', () => {
  const errors = new PredictionErrors();
  errors.note('w-1', 'a', { run: [undefined, 200], memory: [7, undefined], vram: [0, 0] });
  expect(errors.of('w-1', 9)).toEqual([]);
});

it('tells the classes of the most attempts first, and forgets a worker', () => {
  const errors = new PredictionErrors();
  for (const name of ['b', 'c', 'a', 'a', 'c', 'a']) errors.note('w-1', name, { run: [1, 1] });
  errors.note('w-2', 'd', { run: [1, 1] });
  expect(errors.of('w-1', 2).map(({ taskClass }) => taskClass)).toEqual(['a', 'c']);
  errors.forgetWorker('w-1');
  expect(errors.of('w-1', 2)).toEqual([]);
  expect(errors.of('w-2', 2)).toHaveLength(1);
});

it('stays bounded and a number, whatever is noted, and comes back as it was saved', () => {
  const amount = fc.oneof(fc.double(), fc.constantFrom(0, -1, Number.MAX_VALUE, Number.MIN_VALUE));
  const note = fc.tuple(fc.constantFrom('w-1', 'w-2'), fc.constantFrom('a', 'b'), amount, amount);
  fc.assert(
    fc.property(fc.array(note), (notes) => {
      const errors = new PredictionErrors();
      for (const [worker, name, foretold, seen] of notes)
        errors.note(worker, name, { vram: [foretold, seen] });
      for (const { vram } of [...errors.of('w-1', 9), ...errors.of('w-2', 9)]) {
        expect(vram?.factor).toBeGreaterThanOrEqual(1);
        expect(Number.isFinite(vram?.factor)).toBe(true);
      }
      const loaded = new PredictionErrors();
      loaded.note('w-9', 'z', { run: [1, 1] });
      loaded.load(JSON.parse(JSON.stringify(errors.save())));
      expect(loaded.save()).toEqual(errors.save());
    }),
  );
  const full = new PredictionErrors();
  for (let index = 0; index < 9000; index += 1) full.note('w', `class ${index}`, { run: [1, 2] });
  expect(full.save()).toHaveLength(8192);
  expect(full.of('w', 9000)).toHaveLength(8192);
});
