import { describe, expect, it } from 'vitest';
import type { BrokerEffect } from '../effects.ts';
import { CommitPipeline } from './commit-pipeline.ts';

const record = (task: number): BrokerEffect => ({ kind: 'record', decision: [5, task as never, 0] });
const gated = (id: number, result: unknown = null): BrokerEffect => ({
  kind: 'send',
  session: 's' as never,
  message: { kind: 'reply', id, result, failure: null },
  gated: true,
});
const ungated = (id: number): BrokerEffect => ({ ...gated(id), gated: false }) as BrokerEffect;
const answered: BrokerEffect = { kind: 'answered', session: 's' as never };

describe('a message’s credit', () => {
  it('leaves at once when all that the message caused did, whatever else is held', () => {
    const pipeline = new CommitPipeline();
    expect(pipeline.admit([gated(1), answered])).toEqual([gated(1), answered]);
    pipeline.admit([record(1), gated(2)]);
    expect(pipeline.admit([ungated(3), answered])).toEqual([ungated(3), answered]);
  });
  it('leaves last of what the message caused when some of it is held', () => {
    const pipeline = new CommitPipeline();
    expect(pipeline.admit([record(1), ungated(1), gated(2), answered])).toEqual([ungated(1)]);
    pipeline.begin();
    expect(pipeline.committed()).toEqual([gated(2), answered]);
  });
});

describe('a check of the home', () => {
  it('begins at once, whatever the journal has not written', () => {
    const pipeline = new CommitPipeline();
    pipeline.admit([record(1), gated(1)]);
    pipeline.begin();
    const fsck: BrokerEffect = { kind: 'fsck', session: 's' as never, request: 2 };
    expect(pipeline.admit([fsck, answered])).toEqual([fsck, answered]);
    expect(pipeline.committed()).toEqual([gated(1)]);
  });
});

describe('what waits', () => {
  it('is counted: messages as they are, rows of an answer as several', () => {
    const pipeline = new CommitPipeline();
    pipeline.weigh(100);
    pipeline.admit([record(1), gated(1), gated(2, ['row', 'row'])]);
    expect(pipeline.held).toBe(1 + 9);
    expect(pipeline.bytes).toBe(100);
    pipeline.begin();
    pipeline.admit([gated(3)]);
    expect(pipeline.held).toBe(11);
    pipeline.committed();
    expect([pipeline.held, pipeline.bytes]).toEqual([0, 0]);
  });
  it('is written in groups of bounded size, in order, each letting go what it held', () => {
    const pipeline = new CommitPipeline();
    for (let task = 1; task <= 5; task += 1) {
      pipeline.weigh(7 * 1024 * 1024);
      pipeline.admit([record(task), gated(task)]);
    }
    const written: unknown[] = [];
    for (let group = pipeline.begin(); group !== null; group = pipeline.begin()) {
      const ids = pipeline
        .committed()
        .map((effect) => effect.kind === 'send' && (effect.message as { id: number }).id);
      written.push([group.map((decision) => decision[1]), ids]);
    }
    expect(written).toEqual([
      [
        [1, 2],
        [1, 2],
      ],
      [
        [3, 4],
        [3, 4],
      ],
      [[5], [5]],
    ]);
  });
  it('waits for the youngest group that is not durable', () => {
    const pipeline = new CommitPipeline();
    pipeline.weigh(16 * 1024 * 1024);
    pipeline.admit([record(1)]);
    pipeline.weigh(1);
    pipeline.admit([record(2)]);
    expect(pipeline.begin()).toHaveLength(1);
    pipeline.admit([gated(1)]);
    expect(pipeline.committed()).toEqual([]);
    expect(pipeline.begin()).toHaveLength(1);
    expect(pipeline.begin()).toBeNull();
    expect(pipeline.committed()).toEqual([gated(1)]);
  });
});
