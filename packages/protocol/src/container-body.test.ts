import { describe, expect, it } from 'vitest';
import { isContainerPath } from './artifact.ts';
import { containerBodySchema } from './container-body.ts';
import { knownFields, needsOf, needsSchema } from './needs.ts';

const plain = { image: 'busybox', command: [] };
const parse = (more: object) => containerBodySchema.parse({ ...plain, ...more });
const problem = (more: object) => {
  const [issue] = containerBodySchema.safeParse({ ...plain, ...more }).error?.issues ?? [];
  return `${issue?.path.join('.')}: ${issue?.message}`;
};

describe('a path in a container', () => {
  it.each(['/data', '/a/b.c', '/tmp', '/process', '/...'])('%s is one', (path) =>
    expect(isContainerPath(path)).toBe(true),
  );
  it.each([
    '/',
    '',
    'data',
    '/a/',
    '/a//b',
    '/a/../b',
    '/..',
    '/a/.',
    '/proc',
    '/proc/self',
    '/sys',
    '/dev/shm',
    '/a\0',
    `/${'a'.repeat(5000)}`,
  ])('%o is none', (path) => expect(isContainerPath(path)).toBe(false));
});

describe('a container body', () => {
  it('has what older workers know and nothing else, if nothing else was asked for', () => {
    expect(Object.keys(parse({})).sort()).toEqual([
      'command',
      'env',
      'image',
      'network',
      'pids',
      'tmpfsBytes',
    ]);
  });

  it.each([
    [{ privileged: true }, /this version of grid does not know privileged/],
    [{ mounts: [{ name: 'data', to: '/data/../etc' }] }, /^mounts\.0\.to: expected an absolute path/],
    [{ mounts: [{ name: '../x', to: '/data' }] }, /^mounts\.0\.name: /],
    [{ mounts: [{ name: 'data', to: '/data', path: '/' }] }, /^mounts\.0: .*path/],
    [{ mounts: [1, 2].map(() => ({ name: 'data', to: '/data' })) }, /\/data is taken twice/],
    [
      {
        mounts: [
          { name: 'a', to: '/data' },
          { name: 'b', to: '/data/b' },
        ],
      },
      /lie in one another/,
    ],
    [
      { mounts: [{ name: 'a', to: '/work' }], scratch: { sizeBytes: 4096, to: '/work' } },
      /\/work is taken twice/,
    ],
    [{ scratch: { sizeBytes: 0 } }, /^scratch\.sizeBytes: /],
    [{ network: 'container:x' }, /^network: /],
    [{ user: 'root' }, /^user: /],
    [{ ulimits: { rtprio: { soft: 1, hard: 1 } } }, /^ulimits\.?/],
    [{ ulimits: { nofile: { soft: 2, hard: 1 } } }, /soft may not be above hard/],
    [{ ulimits: { nofile: { soft: 1, hard: -1 } } }, /nofile is at most/],
    [{ runtime: '../x' }, /^runtime: /],
    [{ stopSignal: 'SIGSTOP' }, /^stopSignal: /],
  ])('%j is refused', (more, words) => expect(problem(more)).toMatch(words));
});

describe('needs', () => {
  it('are none of a task that every worker knows how to run', () => {
    expect(needsOf(parse({ user: '1000', env: { A: 'b' } }), undefined)).toBeUndefined();
    expect(needsOf(undefined, undefined)).toBeUndefined();
  });

  it('say all that a worker may lack', () => {
    const body = parse({
      mounts: [
        { name: 'b', to: '/b' },
        { name: 'a', to: '/a' },
        { name: 'b', to: '/c', readOnly: false },
      ],
      network: 'host',
      runtime: 'runsc',
      user: '00:5',
      ulimits: { nofile: { soft: 1, hard: 2 } },
    });
    const needs = needsOf(body, 5000);
    expect(needs).toEqual({
      fields: ['mounts', 'runtime', 'stopGrace', 'ulimits'],
      mounts: [
        { name: 'a', write: false },
        { name: 'b', write: true },
      ],
      network: 'host',
      runtime: 'runsc',
      root: true,
    });
    expect(needsSchema.parse(needs)).toEqual(needs);
    expect(knownFields).toEqual(expect.arrayContaining([...(needs?.fields ?? [])]));
  });
});
