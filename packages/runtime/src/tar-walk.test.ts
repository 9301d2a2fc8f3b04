import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from './scratch.fixture.ts';
import { readTarHeader, tarPadding, writeTarHeader } from './tar-header.ts';
import { type TarEntry, TarWalk } from './tar-walk.ts';

/** By seeking, as in a file. */
function walk(tar: Buffer): { readonly entries: readonly TarEntry[]; readonly problem: string } {
  const entries: TarEntry[] = [];
  const way = new TarWalk();
  while (way.want !== null) {
    const { at, bytes } = way.want;
    const block = tar.subarray(at, at + bytes);
    if (block.length < bytes) return { entries, problem: way.mayEndAt(tar.length) ? '' : 'cut' };
    const entry = way.give(block);
    if (entry !== undefined) entries.push(entry);
  }
  return { entries, problem: way.problem };
}

const long = `${'folder/'.repeat(30)}file`;

function folderWithAll(): string {
  const folder = scratchFolder();
  mkdirSync(join(folder, 'folder/'.repeat(30)), { recursive: true });
  writeFileSync(join(folder, long), 'far below');
  writeFileSync(join(folder, 'first'), Buffer.alloc(1000, 1));
  linkSync(join(folder, 'first'), join(folder, 'second'));
  symlinkSync('first', join(folder, 'third'));
  writeFileSync(join(folder, 'ünïcode'), '');
  return folder;
}

function tarOf(folder: string, ...options: string[]): Buffer {
  execFileSync('tar', ['-C', folder, ...options, '-cf', `${folder}.tar`, '.']);
  const tar = readFileSync(`${folder}.tar`);
  execFileSync('rm', [`${folder}.tar`]);
  return tar;
}

/** A tar of one entry, its header changed. */
function changed(change: (header: Buffer) => void, content = Buffer.from('text')): Buffer {
  const header = writeTarHeader('file', content.length);
  change(header);
  header.write('        ', 148);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, content, Buffer.alloc(tarPadding(content.length) + 1024)]);
}

function extended(records: string, type = 'x'): Buffer {
  return Buffer.concat([
    changed((header) => header.write(type, 156), Buffer.from(records)).subarray(0, -1024),
    changed(() => undefined),
  ]);
}

describe('a way through a tar', () => {
  it.each(['gnu', 'posix', 'ustar'])('finds what %s tars hold, where it is', (format) => {
    const tar = tarOf(folderWithAll(), `--format=${format}`, '--sort=name');
    const { entries, problem } = walk(tar);
    expect(problem).toBe('');
    const found = new Map(entries.map((entry) => [entry.name.replace('./', ''), entry]));
    expect([...found.keys()]).toEqual(expect.arrayContaining([long, 'first', 'second', 'third', 'ünïcode']));
    const { at = 0, bytes = 0 } = found.get(long) ?? {};
    expect(tar.toString('utf8', at, at + bytes)).toBe('far below');
    expect(found.get('third')).toMatchObject({ type: '2', target: 'first', bytes: 0 });
    const linked = [found.get('first')?.type, found.get('second')?.type].sort();
    expect(linked).toEqual(['0', '1']);
  });

  it.each(['gnu', 'posix'])('takes no sparse files as %s writes them', (format) => {
    const folder = scratchFolder();
    writeFileSync(join(folder, 'hole'), 'x');
    truncateSync(join(folder, 'hole'), 2 ** 40);
    const { problem } = walk(tarOf(folder, `--format=${format}`, '--sparse'));
    expect(problem).toContain('a sparse file');
  });

  it.each<[string, Buffer, string]>([
    ['what is none', Buffer.alloc(1024, 7), 'it is not a tar'],
    ['a size that is no number', changed((header) => header.write('9x', 124)), 'it is not a tar'],
    ['a size below zero', changed((header) => header.fill(0xff, 124, 136)), 'it is not a tar'],
    ['a record longer than its header', extended('99 path=x\n'), 'an extended header is broken'],
    ['a record without a length', extended('path=x\n'), 'an extended header is broken'],
    ['a record of no length', extended('0 path=x\n'), 'an extended header is broken'],
    ['a size in words', extended('12 size=-10\n'), 'an extended header tells a size of -10'],
    ['a size that no file has', extended(`28 size=${'9'.repeat(19)}\n`), 'an extended header tells a size'],
    ['a file behind the end', Buffer.concat([Buffer.alloc(512), changed(() => undefined)]), 'header'],
    ['what is cut in an entry', changed(() => undefined).subarray(0, 514), 'cut'],
  ])('takes no tar with %s', (_, tar, words) => {
    expect(walk(tar).problem).toContain(words);
  });

  it('goes by the size that an extended header tells', () => {
    const tar = extended('10 size=2\n');
    expect(walk(tar).entries).toMatchObject([{ name: 'file', bytes: 2 }]);
  });

  it('holds no more of what is said of an entry than has a bound', () => {
    const header = writeTarHeader('x', 2 ** 30);
    const tar = changed((bytes) => {
      header.copy(bytes);
      bytes.write('x', 156);
    });
    expect(walk(tar).problem).toBe('the extended header at byte 0 has 1073741824 bytes');
  });
});

it('a header says what it was given, also what octal digits cannot', () => {
  for (const bytes of [0, 1, 8 ** 11 - 1, 8 ** 11, 2 ** 45])
    expect(readTarHeader(writeTarHeader('layer-1.tar', bytes))).toEqual({
      name: 'layer-1.tar',
      type: '0',
      bytes,
      target: '',
      executable: false,
    });
});

it('tar reads what is written', () => {
  const folder = scratchFolder();
  const content = Buffer.from('content');
  const parts = [writeTarHeader('a', 7), content, Buffer.alloc(tarPadding(7) + 1024)];
  writeFileSync(join(folder, 'a.tar'), Buffer.concat(parts));
  expect(execFileSync('tar', ['-xOf', join(folder, 'a.tar'), 'a']).toString()).toBe('content');
});
