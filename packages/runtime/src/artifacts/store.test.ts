import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../scratch.fixture.ts';
import { pieceBytes, readManifest } from './manifest.ts';
import { Pieces } from './pieces.ts';
import { scanPath } from './scan-path.ts';
import { begun, bring, mebi, noise, place, scanned, scannedFile, wanted } from './store.fixture.ts';
import { copyOut } from './tree.ts';

describe('a store', () => {
  it('keeps a file, read-only, over a restart', async () => {
    const at = place();
    const content = noise(9 * mebi + 17);
    const digest = await bring(await at.open(), await scannedFile(content));
    const path = await (await at.open()).path(digest);
    expect(readFileSync(path ?? '').equals(content)).toBe(true);
    expect(statSync(path ?? '').mode & 0o777).toBe(0o444);
  });

  it('keeps an empty file', async () => {
    const at = place();
    const store = await at.open();
    const path = await store.path(await bring(store, await scannedFile(Buffer.alloc(0))));
    expect(statSync(path ?? '').size).toBe(0);
  });

  it('lays a folder out as it was: modes, links within, what is in it twice', async () => {
    const root = scratchFolder();
    mkdirSync(join(root, 'deep/er'), { recursive: true });
    for (const name of ['deep/er/a', 'b', 'same'])
      writeFileSync(join(root, name), name === 'b' ? 'two' : 'one');
    chmodSync(join(root, 'b'), 0o755);
    symlinkSync('../../b', join(root, 'deep/er/up'));
    const at = place();
    const store = await at.open();
    const found = await scanned(root);
    const tree = (await store.path(await bring(store, found))) ?? '';
    const copy = join(scratchFolder(), 'copy');
    await copyOut(found.manifest, (id) => store.fileOf(id), copy);
    for (const one of [tree, copy]) {
      expect(readFileSync(join(one, 'deep/er/up'), 'utf8')).toBe('two');
      expect(readFileSync(join(one, 'same'), 'utf8')).toBe('one');
    }
    expect(statSync(join(tree, 'b')).mode & 0o777).toBe(0o555);
    expect(statSync(join(tree, 'same')).mode & 0o777).toBe(0o444);
    expect(statSync(join(copy, 'b')).mode & 0o100).toBe(0o100);
    writeFileSync(join(copy, 'same'), 'changed');
    expect(readFileSync(join(tree, 'same'), 'utf8')).toBe('one');
    expect(new Pieces(found.manifest).contents.length).toBe(2);
  });

  it('takes nothing for holes, and leaves them holes', async () => {
    const path = join(scratchFolder(), 'sparse');
    writeFileSync(path, '');
    truncateSync(path, 16 * pieceBytes + 5);
    const found = await scanned(path);
    const store = await place(mebi).open();
    const intake = await begun(store, found.manifest);
    expect(intake.wantedBytes).toBe(5);
    expect(await intake.take(Buffer.alloc(5))).toBe(null);
    expect(await intake.end()).toBe(null);
    const kept = statSync((await store.path(found.manifest.digest)) ?? '');
    expect(kept.size).toBe(16 * pieceBytes + 5);
    expect(kept.blocks * 512).toBeLessThan(mebi);
  });

  it('goes on where an intake was cut, also after a restart', async () => {
    const at = place();
    const what = await scannedFile(noise(4 * pieceBytes));
    const first = await begun(await at.open(), what.manifest);
    let taken = 0;
    for await (const bytes of wanted(what, first)) {
      await first.take(bytes);
      taken += bytes.length;
      if (taken > 2 * pieceBytes) break;
    }
    expect((await first.end())?.code).toBe('lost.link');
    const store = await at.open();
    const second = await begun(store, what.manifest);
    expect(second.runs).toEqual([2, 2]);
    for await (const bytes of wanted(what, second)) await second.take(bytes);
    expect(await second.end()).toBe(null);
    expect(store.has(what.manifest.digest)).toBe(true);
  });

  it('keeps a large file that is written past the page cache, cut once on its way, to the byte', async () => {
    const at = place();
    const content = noise(16 * mebi + 4097);
    const what = await scannedFile(content);
    const first = await begun(await at.openDirect(), what.manifest);
    let taken = 0;
    for await (const bytes of wanted(what, first)) {
      await first.take(bytes);
      taken += bytes.length;
      if (taken > 2 * pieceBytes) break;
    }
    expect((await first.end())?.code).toBe('lost.link');
    const store = await at.openDirect();
    const second = await begun(store, what.manifest);
    expect(second.runs).toEqual([2, 3]);
    for await (const bytes of wanted(what, second)) await second.take(bytes);
    expect(await second.end()).toBe(null);
    const path = (await store.path(what.manifest.digest)) ?? '';
    expect(readFileSync(path).equals(content)).toBe(true);
  });

  it('refuses a chunk that is not what was announced, and counts it', async () => {
    const store = await place().open();
    const what = await scannedFile(noise(2 * pieceBytes));
    const intake = await begun(store, what.manifest);
    const why = await intake.take(noise(pieceBytes, 2));
    expect(why).toMatchObject({
      code: 'rejected.invalid',
      message: expect.stringContaining('another sha-256'),
    });
    expect(await intake.end()).toEqual(why);
    expect(store.counters.wrong).toBe(1);
    expect((await begun(store, what.manifest)).runs).toEqual([0, 2]);
  });

  it('refuses more than was asked for', async () => {
    const store = await place().open();
    const intake = await begun(store, (await scannedFile(Buffer.from('abc'))).manifest);
    expect((await intake.take(Buffer.from('abcd')))?.message).toContain('more came');
    expect(await intake.end()).not.toBe(null);
  });

  it('one that wants what another brings waits, and has it', async () => {
    const store = await place().open();
    const what = await scannedFile(noise(100));
    const intake = await begun(store, what.manifest);
    const second = store.begin(what.manifest);
    await intake.take(noise(100));
    await intake.end();
    expect(await second).toBe(null);
  });

  it('keeps within its budget: what was used longest ago goes, nothing that is held', async () => {
    const at = place(10 * mebi);
    const store = await at.open();
    const names: string[] = [];
    for (const seed of [1, 2, 3]) {
      names.push(await bring(store, await scannedFile(noise(3 * mebi, seed))));
      at.time.now += 100_000;
    }
    const [oldest = '', middle = '', newest = ''] = names;
    await store.manifest(oldest);
    at.time.now += 100_000;
    at.held.add(middle);
    await bring(store, await scannedFile(noise(3 * mebi, 4)));
    expect([oldest, middle, newest].map((name) => store.has(name))).toEqual([true, true, false]);
    expect(readdirSync(join(at.folder, 'files')).length).toBe(3);
    at.held.add(oldest);
    at.time.now += 100_000;
    const large = await scannedFile(noise(9 * mebi, 5));
    expect(await store.begin(large.manifest)).toMatchObject({ code: 'rejected.limit' });
    expect(await store.begin((await scannedFile(noise(11 * mebi, 6))).manifest)).toMatchObject({
      message: expect.stringContaining('room for'),
    });
    expect([oldest, middle].map((name) => store.has(name))).toEqual([true, true]);
  });

  it('what was cut counts, and goes first', async () => {
    const at = place(10 * mebi);
    const store = await at.open();
    const cut = await scannedFile(noise(2 * pieceBytes));
    const intake = await begun(store, cut.manifest);
    await intake.take(noise(pieceBytes));
    await intake.abandon();
    expect(store.usedBytes).toBe(pieceBytes);
    expect((await at.open()).usedBytes).toBe(pieceBytes);
    await bring(store, await scannedFile(noise(9 * mebi, 2)));
    expect(readdirSync(join(at.folder, 'partial'))).toEqual([]);
  });

  it('a content that two artifacts share goes with the last of them', async () => {
    const at = place(10 * mebi);
    const store = await at.open();
    const root = scratchFolder();
    writeFileSync(join(root, 'shared'), noise(3 * mebi));
    const file = await bring(store, await scanned(join(root, 'shared')));
    at.time.now += 100_000;
    writeFileSync(join(root, 'own'), noise(3 * mebi, 2));
    const folder = await bring(store, await scanned(root));
    expect(store.usedBytes).toBeLessThan(7 * mebi);
    at.time.now += 100_000;
    await store.manifest(folder);
    const large = await scannedFile(noise(5 * mebi, 3));
    expect(await store.begin(large.manifest)).toMatchObject({ code: 'rejected.limit' });
    expect([store.has(file), store.has(folder)]).toEqual([false, true]);
    expect(existsSync(join((await store.path(folder)) ?? '', 'shared'))).toBe(true);
  });

  it('forgets what the disk has spoilt', async () => {
    const at = place();
    const digest = await bring(await at.open(), await scannedFile(noise(100)));
    const [file = ''] = readdirSync(join(at.folder, 'files'));
    chmodSync(join(at.folder, 'files', file), 0o600);
    writeFileSync(join(at.folder, 'files', file), 'short');
    const store = await at.open();
    expect(store.has(digest)).toBe(false);
    expect(readdirSync(join(at.folder, 'files'))).toEqual([]);
  });
});

describe('what cannot be an artifact is refused in words', () => {
  it.each<[string, (root: string) => unknown, string]>([
    ['a link out of it', (root) => symlinkSync('../elsewhere', join(root, 'out')), 'leads out'],
    ['an absolute link', (root) => symlinkSync('/etc/passwd', join(root, 'out')), 'leads out'],
    [
      'a link that goes up behind another',
      (root) => {
        mkdirSync(join(root, 'a'));
        symlinkSync('a', join(root, 'b'));
        symlinkSync('b/../..', join(root, 'c'));
      },
      'leads out',
    ],
    [
      'a socket',
      async (root) => {
        const server = createServer().listen(join(root, 'sock'));
        await once(server, 'listening');
        return () => server.close();
      },
      'a socket',
    ],
    ['an empty folder', () => undefined, 'empty folder'],
  ])('%s', async (_, make, words) => {
    const root = mkdtempSync(join(scratchFolder(), 'root-'));
    const undo = await make(root);
    expect(await scanPath(root)).toMatchObject({ message: expect.stringContaining(words) });
    if (typeof undo === 'function') undo();
  });

  it('nothing that is not there', async () => {
    expect(await scanPath('/nowhere/at/all')).toMatchObject({ code: 'rejected.invalid' });
  });

  const file = (path: string) => ['f', path, 0, false, ''];
  it.each<[string, unknown[], string]>([
    ['a path that goes up', [file('../x')], 'leads out'],
    ['an absolute one', [file('/etc/x')], 'leads out'],
    ['one in the middle', [['d', 'a'], file('a/../../x')], 'leads out'],
    ['a NUL', [file('a\0b')], 'leads out'],
    ['a file under a link', [['l', 'a', 'b'], file('a/x')], 'missing'],
    ['a path twice', [file('a'), ['l', 'a', 'b']], 'twice'],
    ['too few chunks', [['f', 'a', 5, false, '']], 'chunks'],
    ['a file beside the whole', [file(''), file('a')], 'beside'],
    ['nothing', [], 'no sense'],
  ])('a manifest with %s', (_, entries, words) => {
    const read = readManifest(Buffer.from(JSON.stringify({ gryphgen: 1, entries })));
    expect(read).toMatchObject({ code: 'rejected.invalid', message: expect.stringContaining(words) });
  });
});

describe('a process that is killed in the middle', () => {
  it('leaves an artifact whole or not there, and what had come is gone on with', async () => {
    const at = place(256 * mebi);
    const path = join(scratchFolder(), 'file');
    writeFileSync(path, noise(24 * mebi));
    const child = fileURLToPath(new URL('./store-child.fixture.ts', import.meta.url));
    const run = spawn(process.execPath, ['--import', 'tsx', child, at.folder, path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    for await (const line of run.stdout) if (String(line).includes('half')) break;
    run.kill('SIGKILL');
    await once(run, 'exit');
    const store = await at.open();
    const what = await scanned(path);
    expect(store.has(what.manifest.digest)).toBe(false);
    const intake = await begun(store, what.manifest);
    expect(intake.wantedBytes).toBeLessThanOrEqual(16 * mebi);
    for await (const bytes of wanted(what, intake)) await intake.take(bytes);
    expect(await intake.end()).toBe(null);
    expect(readFileSync((await store.path(what.manifest.digest)) ?? '').equals(readFileSync(path))).toBe(
      true,
    );
  });
});
