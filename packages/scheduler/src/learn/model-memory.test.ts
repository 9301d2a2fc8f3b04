import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ModelMemory } from './model-memory.ts';

const factorOf = (memory: ModelMemory, worker = 'w1', model = 'm') => memory.factor(model, 'llama', worker);

describe('what a model takes beyond its estimate', () => {
  it('is as estimated until an instance was seen', () => {
    expect(factorOf(new ModelMemory())).toEqual({ factor: 1, from: 'nothing', seen: 0 });
  });

  it('is learned, of plans that count what was learned before, too', () => {
    const memory = new ModelMemory();
    // It takes 1.2 times the estimate, whatever the plan was by then.
    for (let times = 0; times < 6; times += 1)
      memory.observe('m', 'llama', 'w1', 1.2 / factorOf(memory).factor);
    expect(factorOf(memory).factor).toBeCloseTo(1.2, 2);
    expect(factorOf(memory)).toMatchObject({ from: 'model', seen: 6 });
    expect(factorOf(memory, 'w1', 'alike')).toMatchObject({ from: 'architecture' });
    expect(memory.factor('m2', 'bert', 'w1').factor).toBe(1);
  });

  it('is no other worker’s affair for more than a little, while one alone says so', () => {
    const memory = new ModelMemory();
    for (let times = 0; times < 20; times += 1) memory.observe('m', 'llama', 'liar', 100);
    expect(factorOf(memory, 'liar').factor).toBeCloseTo(1.5);
    expect(factorOf(memory, 'w1').factor).toBeCloseTo(1.15);
    // Those that say otherwise outweigh it.
    for (const worker of ['w1', 'w2', 'w3'])
      for (let times = 0; times < 8; times += 1)
        memory.observe('m', 'llama', worker, 1.02 / factorOf(memory, worker).factor);
    expect(factorOf(memory, 'w4').factor).toBeLessThan(1.05);
    expect(factorOf(memory, 'w1').factor).toBeLessThan(1.05);
  });

  it('is the same after it was kept, and begins anew for another file', () => {
    const memory = new ModelMemory();
    for (const [worker, ratio] of [
      ['w1', 1.1],
      ['w2', 1.2],
      ['w1', 1.3],
    ] as const)
      memory.observe('m', 'llama', worker, ratio);
    const other = new ModelMemory();
    other.observe('old', 'old', 'w1', 1.4);
    other.load(JSON.parse(JSON.stringify(memory.save())));
    expect(other.save()).toEqual(memory.save());
    expect(factorOf(other)).toEqual(factorOf(memory));
    other.forget('m');
    expect(factorOf(other).from).toBe('architecture');
  });

  it('stays within bounds, whatever workers say', () => {
    const told = fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.double(), fc.constantFrom('m', 'n'));
    fc.assert(
      fc.property(fc.array(told, { maxLength: 60 }), (all) => {
        const memory = new ModelMemory();
        for (const [worker, ratio, model] of all) memory.observe(model, 'llama', worker, ratio);
        for (const worker of ['a', 'b', 'c', 'd']) {
          const { factor } = factorOf(memory, worker);
          expect(factor).toBeGreaterThanOrEqual(0.85 - 1e-9);
          expect(factor).toBeLessThanOrEqual(1.5 + 1e-9);
        }
      }),
      { numRuns: 200 },
    );
  });
});
