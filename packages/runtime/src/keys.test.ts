import { createPublicKey, verify } from 'node:crypto';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AuthorizedKeys } from './authorized.ts';
import {
  createIdentity,
  gridIdOf,
  loadIdentity,
  principalIdOf,
  signHello,
  verifyHello,
  verifySignature,
  workerIdOf,
} from './keys.ts';
import { scratchFolder } from './scratch.fixture.ts';
import { encodeZ85 } from './z85.ts';

describe('an identity', () => {
  it('is made once, kept private, and found again', () => {
    const home = scratchFolder();
    const made = loadIdentity(home, 'worker');
    const found = loadIdentity(home, 'worker');
    expect([found.key, found.curve]).toEqual([made.key, made.curve]);
    expect(verifySignature(made.key, Buffer.from('x'), found.sign(Buffer.from('x')))).toBe(true);
    expect(readdirSync(join(home, 'keys'))).toEqual(['worker.json']);
    expect(statSync(join(home, 'keys')).mode & 0o777).toBe(0o700);
    expect(statSync(join(home, 'keys', 'worker.json')).mode & 0o777).toBe(0o600);
    expect(loadIdentity(home, 'broker').key).not.toBe(made.key);
  });
  it('that others may read, or that is none, is refused with words', () => {
    const home = scratchFolder();
    loadIdentity(home, 'worker');
    chmodSync(join(home, 'keys', 'worker.json'), 0o640);
    expect(() => loadIdentity(home, 'worker')).toThrow(/can be read by others: chmod 600/);
    writeFileSync(join(home, 'keys', 'broker.json'), '{"version":1', { mode: 0o600 });
    expect(() => loadIdentity(home, 'broker')).toThrow(/broker\.json is not a key file/);
  });
  it('names workers, principals and grids by its fingerprint', () => {
    const { key } = createIdentity();
    expect(workerIdOf(key)).toMatch(/^w-[0-9a-f]{16}$/);
    expect([principalIdOf(key), gridIdOf(key)]).toEqual([
      `p-${workerIdOf(key).slice(2)}`,
      `g-${workerIdOf(key).slice(2)}`,
    ]);
    expect(workerIdOf(createIdentity().key)).not.toBe(workerIdOf(key));
  });
});

describe('a hello’s signature', () => {
  it('covers grid, nonce, role and key', () => {
    const identity = createIdentity();
    const proof = { grid: 'g', nonce: 'n', role: 'viewer', key: identity.key } as const;
    const signature = signHello(identity, 'g', 'n', 'viewer');
    expect(verifyHello(proof, signature)).toBe(true);
    for (const change of [
      { grid: 'h' },
      { nonce: 'm' },
      { role: 'admin' as const },
      { key: createIdentity().key },
    ]) {
      expect(verifyHello({ ...proof, ...change }, signature)).toBe(false);
    }
  });
  it('is false, never an exception, for what is no key or no signature', () => {
    for (const key of ['', 'x', 'A'.repeat(43), '_'.repeat(43)]) {
      expect(verifySignature(key, Buffer.from('x'), 'A'.repeat(86))).toBe(false);
    }
    expect(verifySignature(createIdentity().key, Buffer.from('x'), '')).toBe(false);
  });
});

it('a key of small order, for which anybody can sign, is never believed', () => {
  const weak = ['00'.repeat(32), `01${'00'.repeat(31)}`, `ec${'ff'.repeat(30)}7f`, `ee${'ff'.repeat(30)}7f`];
  weak.push('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05');
  weak.push('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a');
  const forged = Buffer.concat([Buffer.from([1]), Buffer.alloc(63)]);
  let believedByOpenssl = 0;
  for (const hex of [
    ...weak,
    ...weak.map((key) => `${key.slice(0, 62)}${key.endsWith('7f') ? 'ff' : '80'}`),
  ]) {
    const key = Buffer.from(hex, 'hex').toString('base64url');
    for (let index = 0; index < 64; index++) {
      const message = Buffer.from(`message ${index}`);
      if (believed(key, message, forged)) believedByOpenssl++;
      expect(verifySignature(key, message, forged.toString('base64url'))).toBe(false);
    }
  }
  expect(believedByOpenssl).toBeGreaterThan(0);
});

function believed(x: string, message: Buffer, signature: Buffer): boolean {
  try {
    return verify(
      null,
      message,
      createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }),
      signature,
    );
  } catch {
    return false;
  }
}

describe('authorised keys', () => {
  const entry = (name: string) => {
    const { key, curve } = createIdentity();
    return { key, curveKey: curve.publicKey, role: 'worker', name, addedAt: 1 } as const;
  };
  it('are kept over restarts, replaced and revoked', async () => {
    const home = scratchFolder();
    const keys = new AuthorizedKeys(home);
    const [one, two] = [entry('one'), entry('two')];
    keys.add(one);
    keys.add(two);
    keys.add({ ...one, name: 'renamed' });
    const again = new AuthorizedKeys(home);
    expect(again.find(one.key)?.name).toBe('renamed');
    expect(again.admitsCurve(two.curveKey)).toBe(true);
    const revoked = again.revoke(two.key);
    // Refused from this moment, whatever the disk does.
    expect([again.admitsCurve(two.curveKey), again.find(two.key)]).toEqual([false, undefined]);
    expect(await revoked).toEqual(two);
    expect(await again.revoke(two.key)).toBeUndefined();
    const restarted = new AuthorizedKeys(home);
    expect(restarted.list().map(({ name }) => name)).toEqual(['renamed']);
    expect([restarted.isRevoked(two.key), restarted.isRevoked(one.key)]).toEqual([true, false]);
    expect(statSync(join(home, 'keys', 'authorized.json')).mode & 0o777).toBe(0o600);
  });
  it('are revoked together by many at once, and each is on disk when it is said to be', async () => {
    const home = scratchFolder();
    const keys = new AuthorizedKeys(home);
    const entries = Array.from({ length: 8 }, (_, n) => entry(`w${n}`));
    for (const each of entries) keys.add(each);
    await Promise.all(
      entries.slice(1).map(async ({ key }) => {
        expect((await keys.revokeWorker(workerIdOf(key)))?.key).toBe(key);
        const onDisk = new AuthorizedKeys(home);
        expect([onDisk.find(key), onDisk.isRevoked(key)]).toEqual([undefined, true]);
      }),
    );
    expect(new AuthorizedKeys(home).list().map(({ name }) => name)).toEqual(['w0']);
    expect(readdirSync(join(home, 'keys'))).toEqual(['authorized.json']);
  });
  it('that cannot be taken off the disk stay refused, and are written with the next', async () => {
    const home = scratchFolder();
    const keys = new AuthorizedKeys(home);
    const one = entry('one');
    keys.add(one);
    renameSync(join(home, 'keys'), join(home, 'elsewhere'));
    await expect(keys.revoke(one.key)).rejects.toThrow(/ENOENT/);
    expect(keys.find(one.key)).toBeUndefined();
    renameSync(join(home, 'elsewhere'), join(home, 'keys'));
    await keys.revoke(one.key);
    expect(new AuthorizedKeys(home).isRevoked(one.key)).toBe(true);
  });
  it('are let in again by being added, and by nothing else', async () => {
    const home = scratchFolder();
    const keys = new AuthorizedKeys(home);
    const one = entry('one');
    keys.add(one);
    await keys.revoke(one.key);
    keys.add(one);
    expect(new AuthorizedKeys(home).isRevoked(one.key)).toBe(false);
    expect(keys.find(one.key)).toEqual(one);
  });
  it('name the field that is wrong', () => {
    const home = scratchFolder();
    mkdirSync(join(home, 'keys'));
    const path = join(home, 'keys', 'authorized.json');
    writeFileSync(path, JSON.stringify({ version: 1, keys: [{ ...entry('x'), role: 'king' }] }));
    expect(() => new AuthorizedKeys(home)).toThrow(/authorized\.json.*role/s);
    const before = readFileSync(path, 'utf8');
    writeFileSync(path, '{');
    expect(() => new AuthorizedKeys(home)).toThrow(/authorized\.json/);
    expect(before).toContain('king');
  });
});

it('Z85 is that of ZeroMQ', () => {
  expect(encodeZ85(Buffer.from('864fd26fb559f75b', 'hex'))).toBe('HelloWorld');
});
