import type { PolicyDocument } from '@gryphgen/protocol';
import { defaultPolicy } from '@gryphgen/scheduler';
import { expect, it } from 'vitest';
import { styleOf } from '../terminal.ts';
import { evolutionLines, policyLines } from './policy-view.ts';

const terminal = { style: styleOf(false), columns: 200 };
const policy = { ...defaultPolicy, version: 4, finishWeight: 0.9 };
const evidence = {
  ...{ trained: 700, judged: 300, since: 1, until: 2, gain: 0.125, leastGain: 0.031 },
  ...{ mean: { before: 8000, after: 7000 }, p99: { before: 61_500, after: 55_000 } },
};
const document: PolicyDocument = {
  inForce: policy,
  previous: 0,
  changes: [
    { kind: 'promoted', policy, at: 1_700_000_000_000, by: 'p-1', reason: 'a replay\u001b[2J', evidence },
    {
      kind: 'rolledBack',
      policy: defaultPolicy,
      at: 1_700_000_000_000,
      by: '',
      reason: 'slower',
      evidence: null,
    },
  ],
  watch: { tasks: [640, 320], ratio: 0.94, leastRatio: 0.82 },
};
const replayed = {
  ...{ policy: defaultPolicy, tasks: 1000, leftOut: 2, tried: 31, trained: 700, judged: 300 },
  candidate: { ...defaultPolicy, finishWeight: 0.9 },
  training: { before: { mean: 9000, p99: 70_000 }, after: { mean: 8100, p99: 70_000 } },
  heldOut: evidence,
  promotes: true,
  why: 'it is better',
};

it('tells the policy in force, what it came from, and what became of tasks since', () => {
  const text = policyLines(document, terminal).join('\n');
  expect(text).toContain(
    'version 4 of the placement policy is in force; "grid evolve --rollback" goes back to version 0',
  );
  expect(text).toMatch(/share of the expected finish, where it is known +0\.900/);
  expect(text).toMatch(/promoted 4 +p-1 +12\.5 % +a replay\\u\{1b\}/);
  expect(text).toMatch(/back to 0 +the broker +- +slower/);
  expect(text).toContain('320 tasks since took 0.94 times as long as 640 before');
  const few = { ...document, watch: { tasks: [0, 0], ratio: 1, leastRatio: 0 } } as const;
  expect(policyLines(few, terminal).join('\n')).toContain('too few tasks have ended since');
});

it('tells what a replay found, and what came of it', () => {
  const text = evolutionLines({ ...replayed, promoted: 5 }, terminal).join('\n');
  expect(text).toContain(
    'replayed 1000 tasks under version 0 and 31 other policies: chosen by 700, judged by 300; 2 would fit',
  );
  expect(text).toMatch(/judged by +8 s +7 s +1 m 1 s +55 s +12\.5 %/);
  expect(text).toContain('at least 3.1 % sooner');
  expect(text).toMatch(/share of the expected finish, where it is known +0\.800 +0\.900/);
  expect(text).not.toContain('weight of fit');
  expect(text).toContain('version 5 is in force: it is better');
  const asked = evolutionLines({ ...replayed, promoted: null }, terminal).join('\n');
  expect(asked).toContain('nothing was promoted, as asked for: it is better');
  const none = {
    ...replayed,
    candidate: null,
    training: null,
    heldOut: null,
    promotes: false,
    promoted: null,
  };
  expect(evolutionLines({ ...none, why: 'too few' }, terminal).at(-1)).toBe('nothing was promoted: too few');
});
