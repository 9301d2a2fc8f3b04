import { describe, expect, it } from 'vitest';
import { explain } from './explain.ts';
import { reserve } from './ledger.ts';
import { FOREIGN_MEMORY_MARGIN_BYTES, freeMemory } from './memory-fit.ts';
import { place } from './place.ts';
import { GiB, MiB, shape, worker } from './reference-grid.fixture.ts';

const asks = (memoryBytes: number) => shape(undefined, { memoryBytes });

describe('memory held outside the grid', () => {
  it('is never given away, with a margin beside it', () => {
    const busy = worker('w-1', { foreignBytes: 6 * GiB });
    const most = 10 * GiB - FOREIGN_MEMORY_MARGIN_BYTES;
    expect(place(asks(most), [busy]).kind).toBe('placed');
    expect(place(asks(most + 1), [busy]).kind).toBe('waiting');
    expect(explain(asks(12 * GiB), [busy]).workers[0]?.reasons).toEqual([
      'memory: 12 GiB asked, 9984 MiB free of 16 GiB (6 GiB held outside the grid): 2304 MiB short',
    ]);
  });

  it('passes: it makes nothing impossible, and leaves a small machine most of its memory', () => {
    expect(place(asks(16 * GiB), [worker('w-1', { foreignBytes: 15 * GiB })]).kind).toBe('waiting');
    const small = worker('w-2', { memoryBytes: 1 * GiB, foreignBytes: 512 * MiB });
    expect(place(asks(480 * MiB), [small]).kind).toBe('placed');
  });
});

describe('memory that attempts hold beyond what is reserved for them', () => {
  it('counts on top of what is reserved', () => {
    const crowded = { ...worker('w-1'), beyondBytes: 3 * GiB };
    reserve(crowded.ledger, { cpuMilli: 0, memoryBytes: 5 * GiB, diskBytes: 0, devices: [] });
    expect(freeMemory(crowded, crowded.report as never)).toBe(8 * GiB);
    expect(place(asks(8 * GiB), [crowded]).kind).toBe('placed');
    expect(explain(asks(9 * GiB), [crowded]).workers[0]?.reasons).toEqual([
      'memory: 9 GiB asked, 8 GiB free of 16 GiB (3 GiB held beyond reservations): 1 GiB short',
    ]);
  });
});
