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
