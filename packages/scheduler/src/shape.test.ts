import type { DeviceUuid } from '@gryphgen/protocol';
import { describe, expect, it } from 'vitest';
import { GiB, part, shape, whole } from './reference-grid.fixture.ts';
import { normalized, type Shape, shapeKey } from './shape.ts';

const labels = (map: Record<string, string>): Partial<Shape> => ({ constraints: { labels: map } });

describe('shapeKey', () => {
  it('is equal for what placement cannot tell apart', () => {
    const pairs: [Shape, Shape][] = [
      [shape(undefined, labels({ a: '1', b: '2' })), shape(undefined, labels({ b: '2', a: '1' }))],
      [shape(part(GiB, { name: 'rtx' })), shape(part(GiB, { name: 'RTX' }))],
      [shape(undefined, { image: 'busybox' }), shape(undefined, { image: 'busybox:latest' })],
    ];
    for (const [a, b] of pairs) expect(shapeKey(a)).toBe(shapeKey(b));
  });

  it('differs in everything placement reads', () => {
    const shapes = [
      shape(),
      shape(undefined, { kind: 'process' }),
      shape(undefined, { cpuMilli: 1 }),
      shape(undefined, { memoryBytes: 1 }),
      shape(undefined, { diskBytes: 1 }),
      shape(undefined, { image: 'busybox' }),
      shape(undefined, { constraints: { worker: 'forge', labels: {} } }),
      shape(undefined, labels({ a: '1' })),
      shape(undefined, labels({ a: '1', b: '2' })),
      shape(part(1)),
      shape(part(2)),
      shape(whole(1)),
      shape(whole(1, { minComputeCapability: 70 })),
      shape(whole(1, { name: '3060' })),
      shape({ ...whole(1), uuid: 'gpu-3060' as DeviceUuid }),
      shape(undefined, { needs: { fields: [] } }),
      shape(undefined, { needs: { fields: ['mounts'] } }),
      shape(undefined, { needs: { fields: [], mounts: [{ name: 'a', write: false }] } }),
      shape(undefined, { needs: { fields: [], mounts: [{ name: 'a', write: true }] } }),
      shape(undefined, { needs: { fields: [], network: 'host' } }),
      shape(undefined, { needs: { fields: [], runtime: 'runsc' } }),
      shape(undefined, { needs: { fields: [], ports: 'loopback' } }),
      shape(undefined, { needs: { fields: [], ports: 'all' } }),
      shape(undefined, { needs: { fields: [], root: true } }),
    ];
    expect(new Set(shapes.map(shapeKey)).size).toBe(shapes.length);
  });

  it('reads nothing else of an envelope', () => {
    const envelope = { ...shape(part(GiB)), name: 'x', priority: 5, labels: { a: 'b' } };
    expect(shapeKey(envelope)).toBe(shapeKey(shape(part(GiB))));
  });
});

it.each([
  ['busybox', 'busybox:latest'],
  ['busybox:1.36', 'busybox:1.36'],
  ['registry:5000/tools/a', 'registry:5000/tools/a:latest'],
  ['a@sha256:00', 'a@sha256:00'],
  ['registry:5000/a:7@sha256:00', 'registry:5000/a@sha256:00'],
])('image %s is %s', (image, reference) =>
  expect(normalized(shape(undefined, { image })).image).toBe(reference),
);
