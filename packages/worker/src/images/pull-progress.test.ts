import { describe, expect, it } from 'vitest';
import { type PullEvent, PullProgress } from './pull-progress.ts';

function taken(...events: PullEvent[]) {
  const progress = new PullProgress();
  return { progress, moved: events.map((event) => progress.take(event)) };
}

const loading = (id: string, current: number): PullEvent => ({
  id,
  status: 'Downloading',
  progressDetail: { current, total: 100 * 1024 },
});

describe('the progress of a pull', () => {
  it('counts layers and downloaded bytes, and knows the digest at the end', () => {
    const { progress } = taken(
      { status: 'Pulling from team/app', id: 'latest' },
      { status: 'Pulling fs layer', id: 'a', progressDetail: {} },
      { status: 'Waiting', id: 'b', progressDetail: {} },
      { status: 'Already exists', id: 'c', progressDetail: {} },
      loading('a', 50 * 1024),
      { status: 'Download complete', id: 'a' },
      { status: 'Extracting', id: 'a', progressDetail: { current: 7, total: 9 } },
      loading('b', 10 * 1024),
      { status: 'Pull complete', id: 'a' },
    );
    expect(progress.words).toBe('2 of 3 layers, 110 KiB so far');
    progress.take({ status: 'Digest: sha256:abc' });
    expect(progress.digest).toBe('sha256:abc');
  });

  it('is only what was not reached before: a layer begun again is none until it is further than it was', () => {
    const { moved, progress } = taken(
      loading('a', 50),
      loading('a', 50),
      { status: 'Retrying in 5 seconds', id: 'a' },
      { status: 'Pulling fs layer', id: 'a' },
      loading('a', 10),
      loading('a', 60),
    );
    expect(moved).toEqual([true, false, false, false, false, true]);
    expect(progress.trouble).toBe('');
  });

  it('remembers that the engine tries again', () => {
    const { progress } = taken(loading('a', 1), { status: 'Retrying in 3 seconds', id: 'a' });
    expect(progress.trouble).toBe('Retrying in 3 seconds');
  });
});
