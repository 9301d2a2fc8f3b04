import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { registryLogin, withoutSecrets } from './registry-credentials.ts';

const secret = 'correct horse';
const auth = Buffer.from(`ada:${secret}`).toString('base64');

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gg-login-'));
  path = join(folder, 'config.json');
});

afterEach(() => rm(folder, { recursive: true }));

async function write(content: unknown, mode = 0o600): Promise<void> {
  const text = typeof content === 'string' ? content : JSON.stringify(content);
  await writeFile(path, text, { mode });
}

const login = (serveraddress: string) => ({ username: 'ada', password: secret, serveraddress });

describe('a login', () => {
  it.each([
    ['127.0.0.1:5000', '127.0.0.1:5000', '127.0.0.1:5000'],
    ['https://registry.example.com/v2/', 'registry.example.com', 'registry.example.com'],
    ['https://index.docker.io/v1/', 'docker.io', 'https://index.docker.io/v1/'],
  ])('under %s is for %s', async (address, host, serveraddress) => {
    await write({ auths: { 'other.example.com': { auth: 'eDp5' }, [address]: { auth } } });
    expect(await registryLogin(path, host)).toEqual({ ok: true, login: login(serveraddress), hint: '' });
  });

  it('may be a token, or written out', async () => {
    await write({ auths: { a: { identitytoken: 'tok', auth }, b: { username: 'ada', password: secret } } });
    const token = { identitytoken: 'tok', serveraddress: 'a' };
    expect(await registryLogin(path, 'a')).toMatchObject({ login: token });
    expect(await registryLogin(path, 'b')).toMatchObject({ login: login('b') });
  });

  it('may hold a colon in its password', async () => {
    await write({ auths: { a: { auth: Buffer.from('ada:b:c').toString('base64') } } });
    expect(await registryLogin(path, 'a')).toMatchObject({ login: { username: 'ada', password: 'b:c' } });
  });

  it('that is not there is none, with the reason', async () => {
    expect(await registryLogin('', 'a')).toMatchObject({
      login: null,
      hint: expect.stringContaining('no reg'),
    });
    await write({ auths: { a: { auth: '' }, b: {} } });
    expect(await registryLogin(path, 'a')).toMatchObject({ login: null });
    expect(await registryLogin(path, 'c')).toMatchObject({
      login: null,
      hint: `${path} has no login for c`,
    });
  });

  it('of a helper is not asked for', async () => {
    await write({ credHelpers: { 'a:1': 'pass' } });
    expect(await registryLogin(path, 'a:1')).toMatchObject({
      login: null,
      hint: expect.stringContaining('helpers are not run'),
    });
    expect(await registryLogin(path, 'b')).toMatchObject({ hint: `${path} has no login for b` });
    await write({ auths: { b: {} }, credsStore: 'desktop' });
    expect(await registryLogin(path, 'b')).toMatchObject({ hint: expect.stringContaining('helper') });
  });
});

describe('a file', () => {
  it.each([0o640, 0o604, 0o660])('of mode %o is refused', async (mode) => {
    await write({ auths: { a: { auth } } });
    await chmod(path, mode);
    const words = `${path} can be read by others: chmod 600 it, and renew what is in it`;
    expect(await registryLogin(path, 'a')).toEqual({ ok: false, why: words });
  });

  it.each([
    ['half a file', `{"auths": {"a": {"auth": "${auth}", "password": "${secret}`],
    ['a wrong shape', { auths: { [secret]: { auth: { password: secret } } } }],
    ['no object', JSON.stringify(secret)],
    ['a file too long', `${' '.repeat(1024 * 1024)}${secret}`],
  ])('that is %s is refused without telling what it holds', async (_, content) => {
    await write(content);
    const found = await registryLogin(path, 'a');
    expect(found).toMatchObject({ ok: false, why: expect.stringContaining(path) });
    expect(JSON.stringify(found)).not.toContain(secret);
    expect(JSON.stringify(found)).not.toContain(auth.slice(0, 8));
  });

  it('that is not there is told', async () => {
    expect(await registryLogin(path, 'a')).toEqual({ ok: false, why: `${path} cannot be read (ENOENT)` });
  });
});

describe('words of others', () => {
  it('lose the secrets of a login, plain and encoded', () => {
    const told = `Get http://ada:${secret}@a: header Basic ${auth} is wrong for ${secret}`;
    expect(withoutSecrets(told, login('a'))).toBe(
      'Get http://ada:[secret]@a: header Basic [secret] is wrong for [secret]',
    );
    expect(withoutSecrets('tok, tok', { identitytoken: 'tok', serveraddress: 'a' })).toBe(
      '[secret], [secret]',
    );
    expect(withoutSecrets(told, null)).toBe(told);
  });
});
