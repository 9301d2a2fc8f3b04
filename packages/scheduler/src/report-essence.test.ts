import type { Offers, WorkerReport } from '@gryphgen/protocol';
import { describe, expect, it } from 'vitest';
import { GiB, gtx1060, MiB, report, rtx3060 } from './reference-grid.fixture.ts';
import { freesMemory, placesAlike } from './report-essence.ts';

const offers: Offers = {
  fields: ['mounts'],
  mounts: [{ name: 'a', write: false }],
  networks: ['none'],
  runtimes: ['runc'],
  root: false,
};
const low = (forMs: number) => ({ name: 'low disk', forMs, words: `${forMs} B free`, stops: ['container'] });
const before = report({
  offers,
  pressures: [low(1)],
  devices: [rtx3060('a'), gtx1060('b')],
  images: ['x:1'],
  labels: { room: 'attic' },
});

describe('two reports place alike', () => {
  it.each<[string, Partial<WorkerReport>]>([
    ['nothing', {}],
    [
      'the words of a pressure, and one that stops nothing',
      { pressures: [low(9), { ...low(1), stops: [] }] },
    ],
    ['what is wrong and what the machine is made of', { troubles: ['hot'], version: '9' }],
    [
      'how warm a card is, and the small change of its memory',
      { devices: [{ ...rtx3060('a'), temperatureC: 80, powerW: 9, foreignBytes: 99 * MiB }, gtx1060('b')] },
    ],
  ])('when they differ in %s', (_, changes) => {
    expect(placesAlike(before, { ...before, ...changes })).toBe(true);
  });

  it.each<[string, Partial<WorkerReport>]>([
    ['its name', { name: 'other' }],
    ['CPU', { cpuMilli: 1 }],
    ['memory', { memoryBytes: 1 }],
    ['disk', { diskBytes: GiB }],
    ['slots', { slots: 1 }],
    ['speed', { speed: 2 }],
    ['where its logs are', { dataEndpoint: 'tcp://x:1' }],
    ['what it runs', { capabilities: ['noop', 'process', 'container'] }],
    ['a label', { labels: { room: 'cellar' } }],
    ['what a pressure stops', { pressures: [{ ...low(1), stops: ['process'] }] }],
    ['a pressure that has ended', { pressures: [] }],
    ['a card that has become hot', { devices: [{ ...rtx3060('a'), pressure: low(1) }, gtx1060('b')] }],
    ['images', { images: ['x:1', 'y:1'] }],
    ['a card', { devices: [rtx3060('a')] }],
    ['memory held outside', { devices: [{ ...rtx3060('a'), foreignBytes: GiB }, gtx1060('b')] }],
    ['offers', { offers: { ...offers, images: [] } }],
    ['a mount', { offers: { ...offers, mounts: [{ name: 'a', write: true }] } }],
    ['a network', { offers: { ...offers, networks: ['none', 'host'] } }],
    ['a runtime', { offers: { ...offers, runtimes: ['runsc'] } }],
    ['root', { offers: { ...offers, root: true } }],
    ['ports', { offers: { ...offers, ports: 'all' } }],
    ['a field', { offers: { ...offers, fields: [] } }],
    ['a capability', { devices: [{ ...rtx3060('a'), computeCapability: 0 }, gtx1060('b')] }],
  ])('never when they differ in %s', (_, changes) => {
    expect(placesAlike(before, { ...before, ...changes })).toBe(false);
  });
});

describe('a report frees memory', () => {
  const holding = (host: number, card: number): WorkerReport => ({
    ...before,
    foreignBytes: host,
    devices: [{ ...rtx3060('a'), foreignBytes: card }, gtx1060('b')],
  });

  it.each<[string, WorkerReport, WorkerReport, boolean]>([
    ['when a card holds a little less', holding(MiB, 99 * MiB), holding(MiB, 98 * MiB), true],
    ['when the machine holds a little less', holding(MiB, MiB), holding(0, MiB), true],
    ['not when they hold the same, or more', holding(MiB, MiB), holding(2 * MiB, MiB), false],
  ])('%s', (_, one, other, frees) => {
    expect(placesAlike(one, other)).toBe(true);
    expect(freesMemory(one, other)).toBe(frees);
  });
});
