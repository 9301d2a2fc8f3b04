import { describe, expect, it } from 'vitest';
import { prepareTask } from './prepare.ts';

const body = { image: 'busybox', command: [] };

describe('a container task', () => {
  it('that every worker knows how to run says so by needing nothing', () => {
    const { envelope } = prepareTask({ kind: 'container', body });
    expect(envelope).not.toHaveProperty('needs');
    expect(envelope).toMatchObject({ image: 'busybox', resources: { diskBytes: 0 } });
  });

  it('needs what its body asks for', () => {
    const mounts = [{ name: 'data', to: '/data' }];
    const { envelope } = prepareTask({ kind: 'container', body: { ...body, mounts, network: 'bridge' } });
    expect(envelope.needs).toEqual({
      fields: ['mounts'],
      mounts: [{ name: 'data', write: false }],
      network: 'bridge',
    });
  });

  it('is charged its scratch space on disk as disk, and that in memory not', () => {
    const scratch = { sizeBytes: 5_000_000, medium: 'disk' } as const;
    const resources = { cpuMilli: 1, memoryBytes: 0, diskBytes: 7_000_000 };
    const disk = (spec: object) =>
      prepareTask({ kind: 'container', body, ...spec }).envelope.resources.diskBytes;
    expect(disk({ body: { ...body, scratch } })).toBe(5_000_000);
    expect(disk({ body: { ...body, scratch }, resources })).toBe(7_000_000);
    expect(disk({ body: { ...body, scratch: { ...scratch, medium: 'tmpfs' } } })).toBe(0);
  });
});

it('a grace of its own is needed of a worker by a process, too', () => {
  const task = prepareTask({ kind: 'process', body: { command: ['x'] }, stopGraceMs: 5000 });
  expect(task.envelope).toMatchObject({ stopGraceMs: 5000, needs: { fields: ['stopGrace'] } });
});

it('a field that is not known is refused by its name', () => {
  const wrong = { ...body, privileged: true } as typeof body;
  expect(() => prepareTask({ kind: 'container', body: wrong })).toThrow('does not know privileged');
});
