import type { Needs, Offers } from '@gryphgen/protocol';
import { describe, expect, it } from 'vitest';
import { explain } from './explain.ts';
import { place } from './place.ts';
import { shape, worker } from './reference-grid.fixture.ts';

const offers: Offers = {
  fields: ['mounts', 'runtime', 'ulimits'],
  mounts: [
    { name: 'data', write: false },
    { name: 'results', write: true },
  ],
  networks: ['none', 'bridge'],
  runtimes: ['runc', 'runsc'],
  root: false,
};
const offering = (changes: Partial<Offers> = {}) => worker('w-a', { offers: { ...offers, ...changes } });
const needing = (needs: Partial<Needs>) => shape(undefined, { needs: { fields: [], ...needs } });
const reasons = (task: ReturnType<typeof shape>, machine = offering()) =>
  explain(task, [machine]).workers[0]?.reasons;

describe('a worker whose owner does not let tasks have it all', () => {
  it.each<[string, Partial<Needs>, string]>([
    ['a mount', { mounts: [{ name: 'x', write: false }] }, 'has no mount named x (it has data, results)'],
    ['writing', { mounts: [{ name: 'data', write: true }] }, 'lets mount data be read, not written'],
    ['a network', { network: 'host' }, 'allows no host network (it allows none, bridge)'],
    ['a runtime', { runtime: 'kata' }, 'does not offer runtime kata (it has runc, runsc)'],
    ['root', { root: true }, 'lets no container run as root'],
    ['ports', { ports: 'loopback' }, 'lets no task publish ports'],
    [
      'a field',
      { fields: ['mounts', 'newer'] },
      "does not know newer: its version, 0.1.0, is older than the task's",
    ],
  ])('says so of %s, and is never given the task', (_, needs, words) => {
    expect(reasons(needing(needs))).toEqual([words]);
    expect(place(needing(needs), [offering()])).toMatchObject({
      kind: 'impossible',
      failure: { code: 'rejected.impossible', message: expect.stringContaining(words) },
    });
  });

  it('takes what it offers', () => {
    const needs: Needs = {
      fields: ['mounts', 'ulimits'],
      mounts: [
        { name: 'data', write: false },
        { name: 'results', write: true },
      ],
      network: 'bridge',
      runtime: 'runsc',
    };
    expect(place(needing(needs), [offering()])).toMatchObject({ kind: 'placed' });
    expect(place(needing({ root: true }), [offering({ root: true })])).toMatchObject({ kind: 'placed' });
  });

  it('lets tasks publish ports as far as its owner says', () => {
    const near = offering({ ports: 'loopback' });
    expect(place(needing({ ports: 'loopback' }), [near])).toMatchObject({ kind: 'placed' });
    expect(reasons(needing({ ports: 'all' }), near)).toEqual(['lets tasks publish ports on loopback alone']);
    for (const ports of ['loopback', 'all'] as const)
      expect(place(needing({ ports }), [offering({ ports: 'all' })])).toMatchObject({ kind: 'placed' });
  });

  it('says every reason', () => {
    const needs: Partial<Needs> = { network: 'host', root: true, runtime: 'kata' };
    expect(reasons(needing(needs))).toHaveLength(3);
  });

  it('takes of images those that it allows', () => {
    const machine = offering({ images: ['busybox:*', 'ghcr.io/acme/*'] });
    expect(place(shape(undefined, { image: 'busybox:1' }), [machine])).toMatchObject({ kind: 'placed' });
    expect(reasons(shape(undefined, { image: 'evil.io/busybox' }), machine)).toEqual([
      'does not allow image evil.io/busybox:latest (it allows busybox:*, ghcr.io/acme/*)',
    ]);
    expect(reasons(shape(undefined, { image: 'x' }), offering({ images: [] }))).toEqual([
      'does not allow image x:latest',
    ]);
  });
});

describe('a worker of a version that knows none of it', () => {
  it('is given no task that it would run without what was asked for', () => {
    expect(
      reasons(needing({ fields: ['mounts'], mounts: [{ name: 'a', write: false }] }), worker('w-a')),
    ).toEqual(["does not know mounts: its version, 0.1.0, is older than the task's"]);
    expect(reasons(needing({ network: 'bridge' }), worker('w-a'))).toEqual([
      "does not tell what its owner allows: its version, 0.1.0, is older than the task's",
    ]);
  });

  it('runs all others', () => {
    expect(place(shape(undefined, { image: 'x' }), [worker('w-a')])).toMatchObject({ kind: 'placed' });
  });
});
