/** What is pushed where, and how that is told. */
import type { ArchivedImage } from '@gryphgen/client';
import { failure, type NodeDocument } from '@gryphgen/protocol';
import { describe, expect, it } from 'vitest';
import { type TransferRow, transferLine } from '../render/transfer-view.ts';
import { chosen } from './image-source.ts';
import { targetsOf } from './push-all.ts';

const image = (id: string, ...names: string[]) => ({ id, names }) as unknown as ArchivedImage;

describe('of an archive', () => {
  const one = image('sha256:1', 'app:1', 'app:latest');
  const other = image('sha256:2', 'db:1');

  it('the only image is pushed with all its names, or with the one that is asked for', () => {
    expect(chosen([one], '')).toEqual({ image: one, names: ['app:1', 'app:latest'] });
    expect(chosen([one], 'app')).toEqual({ image: one, names: ['app:latest'] });
    expect(chosen([one], 'docker.io/library/app:1')).toEqual({ image: one, names: ['app:1'] });
  });

  it('one of several is pushed by name or id', () => {
    expect(chosen([one, other], 'db:1')).toEqual({ image: other, names: ['db:1'] });
    expect(chosen([one, other], 'sha256:1')).toEqual({ image: one, names: one.names });
    expect(() => chosen([one, other], '')).toThrow(
      'the archive holds app:1, app:latest, db:1: say which to push',
    );
  });

  it('what is not in it is not pushed by that name', () => {
    expect(() => chosen([one], 'db:1')).toThrow('the archive holds app:1, app:latest, not db:1');
  });

  it('an image without a name gets the one that is given', () => {
    const nameless = image('sha256:3');
    expect(chosen([nameless], 'app')).toEqual({ image: nameless, names: ['app:latest'] });
    expect(() => chosen([nameless], '')).toThrow('has no name: say what to call it');
  });
});

describe('of the workers', () => {
  const node = (name: string, changes: object = {}, state = 'ready') =>
    ({
      id: `w-${name}`,
      name,
      state,
      report: { capabilities: ['container'], transfers: ['exec', 'image'], ...changes },
    }) as unknown as NodeDocument;
  const nodes = [
    node('forge'),
    node('anvil', { capabilities: ['process'] }),
    node('old', { transfers: ['exec'] }),
    node('gone', {}, 'away'),
  ];

  it('those that run containers and take images are meant, the others are told of', () => {
    const { targets, skipped } = targetsOf(nodes, []);
    expect(targets.map(({ name }) => name)).toEqual(['forge']);
    expect(skipped).toEqual(['anvil runs no containers', 'old takes no pushed images', 'gone is away']);
  });

  it('those that are named are meant, each once', () => {
    expect(targetsOf(nodes, ['gone', 'w-forge', 'forge']).targets.map(({ name }) => name)).toEqual([
      'gone',
      'forge',
    ]);
    expect(() => targetsOf(nodes, ['froge'])).toThrow('there is no node "froge": did you mean forge?');
    expect(() => targetsOf(nodes, ['xyzzy'])).toThrow('there is no node "xyzzy": "grid nodes" lists them');
  });

  it('where nobody can, it is said why', () => {
    expect(() => targetsOf(nodes.slice(3), [])).toThrow(
      'nobody on this grid can take an image: gone is away',
    );
  });
});

describe('a line', () => {
  const row: TransferRow = { name: 'forge', state: 'sending', sent: 0, bytes: 2 ** 30, ms: 0, failure: null };
  it.each<[Partial<TransferRow>, string]>([
    [{ state: 'waiting' }, 'forge    waits'],
    [{ sent: 2 ** 28, ms: 2000 }, 'forge    [======                  ] 25%  256 MiB of 1 GiB, 128 MiB/s'],
    [{ state: 'loading', sent: 2 ** 30 }, 'forge    1 GiB sent, its engine loads them'],
    [{ state: 'taken', sent: 2 ** 30, ms: 12_000 }, 'forge    has it: 1 GiB in 12 s'],
    [{ state: 'held' }, 'forge    has had it already'],
    [
      { state: 'failed', failure: failure('lost.link', 'gone\u001b[2J') },
      'forge    does not have it: gone\\u{1b}[2J',
    ],
  ])('%o', (changes, line) => {
    expect(transferLine({ ...row, ...changes }, 7)).toBe(line);
  });
});
