/** An archive with a bit of it flipped, cut, and made by somebody else. */
import { execFileSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GridError } from '@gryphgen/protocol';
import { describe, expect, it } from 'vitest';
import { readArchive, writeArchive } from './archive.ts';
import { scratchFolder } from './scratch.fixture.ts';
import { tarBlockBytes, tarPadding, writeTarHeader } from './tar-header.ts';

const contents: Readonly<Record<string, Buffer>> = {
  'a/one': Buffer.from('the first file'),
  two: Buffer.alloc(513, 2),
  empty: Buffer.alloc(0),
};
const reading = { kind: 'test archive', names: /^(a\/one|two|empty)$/ };

function made(kind = 'test archive', program = '0.1.0') {
  const folder = scratchFolder();
  mkdirSync(join(folder, 'a'));
  for (const [name, bytes] of Object.entries(contents)) writeFileSync(join(folder, name), bytes);
  const path = join(folder, 'made.tar');
  const sources = Object.keys(contents).map((name) => ({ name, path: join(folder, name) }));
  return { folder, path, manifest: writeArchive(path, { kind, program, about: { grid: 'g-1' }, sources }) };
}

function refusalOf(path: string): string {
  try {
    readArchive(path, reading);
  } catch (error) {
    if (error instanceof GridError && error.code === 'rejected.invalid') return error.message;
    throw error;
  }
  throw new Error('it was taken as whole');
}

describe('an archive', () => {
  it('gives back what was put in, to whoever reads tars too', () => {
    const { folder, path, manifest } = made();
    const got: Record<string, Buffer> = { empty: Buffer.alloc(0) };
    const onBytes = (name: string, bytes: Uint8Array) => {
      got[name] = Buffer.concat([got[name] ?? Buffer.alloc(0), bytes]);
    };
    expect(readArchive(path, { ...reading, onBytes })).toEqual(manifest);
    expect(got).toEqual(contents);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    mkdirSync(join(folder, 'out'));
    execFileSync('tar', ['-xf', path, '-C', join(folder, 'out')]);
    expect(readFileSync(join(folder, 'out', 'two'))).toEqual(contents.two);
  });

  it('with a bit of a byte flipped is refused, and the place is told', { timeout: 60_000 }, () => {
    const { folder, path } = made();
    const whole = readFileSync(path);
    const bad = join(folder, 'bad.tar');
    for (let at = 0; at < whole.length; at += 13) {
      const changed = Buffer.from(whole);
      changed.writeUInt8(changed.readUInt8(at) ^ (1 << (at % 8)), at);
      writeFileSync(bad, changed);
      expect(refusalOf(bad)).toMatch(/manifest|header|damaged|it is no|cut/);
    }
    const changed = Buffer.from(whole);
    const at = whole.indexOf('the first file');
    changed.writeUInt8(0, at);
    writeFileSync(bad, changed);
    expect(refusalOf(bad)).toContain(`a/one (bytes ${at} to ${at + 14}) is damaged`);
  });

  it('cut anywhere, or with something behind it, is refused', () => {
    const { folder, path } = made();
    const whole = readFileSync(path);
    const bad = join(folder, 'bad.tar');
    for (let end = 0; end < whole.length; end += 37) {
      writeFileSync(bad, whole.subarray(0, end));
      expect(refusalOf(bad)).toMatch(end === 0 ? /is empty/ : /it is cut: it ends at byte/);
    }
    writeFileSync(bad, Buffer.concat([whole, Buffer.alloc(1)]));
    expect(refusalOf(bad)).toContain('1 bytes follow its end');
  });

  it('of another kind, of a later format, or with a name that leads elsewhere is refused in words', () => {
    expect(refusalOf(made('holiday photos').path)).toContain('it is no test archive');
    const { folder, path, manifest } = made('test archive', '9.0.0');
    const remade = (change: object): string => {
      const line = Buffer.from(`${JSON.stringify({ ...manifest, ...change })}\n`);
      const sum = Buffer.from(`${hash('sha256', line)}\n`);
      const rest = readFileSync(path).subarray(4 * tarBlockBytes);
      writeFileSync(
        join(folder, 'other.tar'),
        Buffer.concat([member('manifest.json', line), member('manifest.sha256', sum), rest]),
      );
      return join(folder, 'other.tar');
    };
    expect(readArchive(remade({}), reading)).toEqual(manifest);
    expect(refusalOf(remade({ format: 2 }))).toContain(
      'it has format 2, of gryphgen 9.0.0; this program reads format 1',
    );
    const [first] = manifest.files;
    expect(refusalOf(remade({ files: [{ ...first, name: '../x' }] }))).toContain('its manifest names "../x"');
    expect(refusalOf(remade({ files: [first, first] }))).toMatch(/names "a\/one"|header of a\/one/);
  });
});

function member(name: string, content: Buffer): Buffer {
  return Buffer.concat([
    writeTarHeader(name, content.length),
    content,
    Buffer.alloc(tarPadding(content.length)),
  ]);
}
