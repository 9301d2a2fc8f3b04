import { containerBodySchema } from '@gryphgen/protocol';
import { describe, expect, it } from 'vitest';
import {
  type ContainerPolicy,
  defaultPolicy,
  type EngineFacts,
  grant,
  type ImageFacts,
  offersOf,
} from './container-policy.ts';

const engine: EngineFacts = {
  runtimes: ['io.containerd.runc.v2', 'nvidia', 'runc', 'runsc'],
  defaultRuntime: 'runc',
  remapsUsers: false,
};
const image: ImageFacts = { id: 'sha256:1', references: ['busybox:latest'], user: '', stopSignal: '' };

interface Case {
  readonly policy?: Partial<ContainerPolicy>;
  readonly engine?: Partial<EngineFacts>;
  readonly image?: Partial<ImageFacts>;
  readonly body?: object;
}

function ask({ policy, engine: other, image: of, body }: Case) {
  const asked = containerBodySchema.parse({ image: 'busybox', command: [], ...body });
  const granted = grant({ ...defaultPolicy, ...policy }, { ...engine, ...other }, asked, { ...image, ...of });
  return granted.ok ? granted.value : `${granted.failure.code}: ${granted.failure.message}`;
}

describe('without a policy file', () => {
  it('a container gets the engine’s runtime, and nobody instead of root', () => {
    expect(ask({})).toEqual({ user: '65534:65534', runtime: 'runc', mounts: [] });
  });

  it.each<[string, Case, string]>([
    ['host network', { body: { network: 'host' } }, 'allows no host network'],
    ['a mount', { body: { mounts: [{ name: 'data', to: '/d' }] } }, 'has no mount named data'],
    [
      'a mount named as every object has one',
      { body: { mounts: [{ name: 'constructor', to: '/d' }] } },
      'has no mount',
    ],
    ['root', { body: { user: '0' } }, 'lets no container run as root'],
    [
      'ports for all',
      { body: { network: 'bridge', ports: [{ port: 80, bind: 'all' }] } },
      'on loopback alone',
    ],
    ['root by another number', { body: { user: '000:5' } }, 'lets no container run as root'],
    ['a runtime that hands out devices', { body: { runtime: 'nvidia' } }, 'does not offer runtime nvidia'],
    ['a runtime that is not there', { body: { runtime: 'kata' } }, 'does not offer runtime kata'],
    ['an image whose user may be root', { image: { user: 'app' } }, 'who "app" is'],
  ])('it is refused %s', (_, asked, words) => {
    expect(ask(asked)).toMatch(/^rejected\.forbidden: the policy of this worker /);
    expect(ask(asked)).toContain(words);
  });

  it('bridge is allowed, and so is any image', () => {
    expect(ask({ body: { network: 'bridge', image: 'x/y:1' } })).toMatchObject({ runtime: 'runc' });
  });
});

describe('the user', () => {
  it.each<[string, Case, string | undefined]>([
    ['that the task names', { body: { user: '1000:5' } }, '1000:5'],
    ['of the image, by number', { image: { user: '1001' } }, undefined],
    ['of the policy, where the image says root', { image: { user: 'root:root' } }, '65534:65534'],
    ['of the policy, where the image says 0', { image: { user: '0' } }, '65534:65534'],
    ['of the policy, as the owner wrote it', { policy: { user: '7:8' } }, '7:8'],
    ['of the image, where root may be', { policy: { root: 'yes' }, image: { user: 'app' } }, undefined],
    ['root, where the engine makes it another', { engine: { remapsUsers: true }, body: { user: '0' } }, '0'],
    ['root, where the owner says so', { policy: { root: 'yes' }, body: { user: '0' } }, '0'],
  ])('is the one %s', (_, asked, user) => expect(ask(asked)).toMatchObject({ user }));

  it('is never root where the owner says so, even where the engine makes it another', () => {
    expect(ask({ policy: { root: 'no' }, engine: { remapsUsers: true }, body: { user: '0' } })).toContain(
      'lets no container run as root',
    );
  });
});

describe('images', () => {
  const policy = { images: ['busybox', 'docker.io/library/*'] };
  it('run that a pattern covers', () => expect(ask({ policy })).toMatchObject({ runtime: 'runc' }));
  it('do not run that none covers', () => {
    expect(ask({ policy, body: { image: 'evil.io/x' } })).toContain('does not allow image evil.io/x');
  });
  it('do not run by the start of their id, which a pattern covers as if it were a name', () => {
    expect(ask({ policy, body: { image: '586d61b739fe' } })).toContain('does not allow image');
  });
});

describe('runtimes', () => {
  it('that the owner does not allow are none, also when the engine has them by default', () => {
    expect(ask({ policy: { runtimes: ['runsc'] } })).toMatchObject({ runtime: 'runsc' });
    expect(ask({ policy: { runtimes: ['runsc'] }, body: { runtime: 'runc' } })).toContain(
      'does not offer runtime runc',
    );
    expect(ask({ policy: { runtimes: ['kata*'] } })).toContain('allows no runtime that its engine has');
  });
});

describe('mounts', () => {
  const policy: Partial<ContainerPolicy> = {
    mounts: { data: { path: '/srv/data', write: false }, out: { path: '/srv/out', write: true } },
  };
  it('are read-only unless said', () => {
    const mounts = [
      { name: 'out', to: '/a' },
      { name: 'out', to: '/b', readOnly: false },
    ];
    expect(ask({ policy, body: { mounts } })).toMatchObject({
      mounts: [
        { path: '/srv/out', to: '/a', readOnly: true },
        { path: '/srv/out', to: '/b', readOnly: false },
      ],
    });
  });
  it('are not written where the owner does not let them be, and no path is told', () => {
    const words = ask({ policy, body: { mounts: [{ name: 'data', to: '/a', readOnly: false }] } });
    expect(words).toContain('lets mount data be read, not written');
    expect(words).not.toContain('/srv');
  });
});

it('offers what is there', () => {
  const policy: ContainerPolicy = {
    ...defaultPolicy,
    images: ['busybox'],
    networks: ['host'],
    mounts: { data: { path: '/srv/data', write: false }, gone: { path: '/gone', write: true } },
  };
  expect(offersOf(policy, engine, new Set(['data']))).toMatchObject({
    images: ['busybox'],
    mounts: [{ name: 'data', write: false }],
    networks: ['none', 'host'],
    runtimes: ['runc', 'runsc'],
    root: false,
  });
  expect(offersOf(policy, null, new Set(['data']))).toMatchObject({ mounts: [], runtimes: [], root: false });
});
