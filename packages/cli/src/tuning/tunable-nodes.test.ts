import type { ModelPlanDocument, NodeDocument } from '@gryphgen/protocol';
import { expect, it } from 'vitest';
import { tunableNodes } from './tunable-nodes.ts';

type Kind = ModelPlanDocument['workers'][number]['kind'];

function node(name: string, capabilities: readonly string[] = ['instance']): NodeDocument {
  return { id: `w-${name}`, name, state: 'ready', report: { capabilities } } as unknown as NodeDocument;
}
const plan = (kinds: Readonly<Record<string, Kind>>) => ({
  workers: Object.entries(kinds).map(([name, kind]) => ({
    ...{ worker: `w-${name}`, name, kind, devices: [], hostLayers: 0, hostBytes: 0 },
    reasons: [`${name} is short of memory`],
  })),
});
const nodes = [node('a'), node('b'), node('c'), node('d')];
const names = (kinds: Readonly<Record<string, Kind>>) =>
  tunableNodes('tiny', nodes, plan(kinds)).map(({ name }) => name);

it('those that hold it on devices, one or several, come before those that hold it on the host', () => {
  expect(names({ a: 'host', b: 'whole', c: 'divided', d: 'partly' })).toEqual(['b', 'c']);
  expect(names({ a: 'host', b: 'partly', c: 'no', d: 'host' })).toEqual(['a', 'd']);
});

it('of none, what each lacks', () => {
  const some = [node('a'), node('b', ['process'])];
  expect(() => tunableNodes('tiny', some, plan({ a: 'no', b: 'host' }))).toThrow(
    'no worker holds all of tiny now: a is short of memory; b has no engine that serves models',
  );
  expect(() => tunableNodes('tiny', [], plan({}))).toThrow('there is none');
});
