/** Real stores with one thing wrong at a time: what `grid fsck --artifacts` says of it, and what it puts aside. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Alarms,
  ArtifactStore,
  keptLogHead,
  scanPath,
  systemClock,
  takeScanned,
} from '@gryphgen/runtime';
import { lockFolder } from '@gryphgen/runtime/folder-lock';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { KeptLogs } from '../artifacts/kept-logs.ts';
import { lockJournal } from '../journal/lock.ts';
import { checkArtifacts } from './check-artifacts.ts';

const mebi = 1024 * 1024;
const never: Alarms = { after: () => () => undefined };
let scratch: string;
let home: string;

beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'gg-files-'));
  home = join(scratch, 'home');
  mkdirSync(join(home, 'journal'), { recursive: true });
});
afterEach(() => rmSync(scratch, { recursive: true }));

const storeIn = (folder = join(home, 'artifacts')) =>
  ArtifactStore.open({ folder, budgetBytes: 64 * mebi, clock: systemClock, held: () => new Set() });

/** Its digest. */
async function keep(store: ArtifactStore, path: string): Promise<string> {
  const found = await scanPath(path);
  if ('code' in found) throw new Error(found.message);
  expect(await takeScanned(store, found)).toBe(null);
  return found.manifest.digest;
}

function file(name: string, content: string | Buffer): string {
  writeFileSync(join(scratch, name), content);
  return join(scratch, name);
}

async function keepLog(text: string): Promise<string> {
  const folder = join(home, 'artifacts', 'logs');
  const logs = await KeptLogs.open({ folder, clock: systemClock, alarms: never, maxBytes: mebi });
  const taken = logs.take('w-1', new AbortController().signal);
  if (!('ended' in taken)) throw new Error(taken.failure.message);
  await taken.write(
    Buffer.concat([keptLogHead({ task: 7, attempt: 2, bytes: text.length }), Buffer.from(text)]),
  );
  taken.endInput();
  expect(await taken.ended).toEqual({ failure: null });
  return join(folder, 'w-1', 't7.2.log');
}

const check = (putAside = false, signal = new AbortController().signal) =>
  checkArtifacts({ home, putAside, wallMs: 0, signal, onRead: () => undefined });

/** One bit of one byte of a file that is read-only. */
function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  chmodSync(path, 0o600);
  writeFileSync(path, bytes);
}

const nameOf = (digest: string) => digest.replace('sha256:', '');
const contents = (folder = 'artifacts') => join(home, folder, 'files');

it('finds nothing where all is sound, holes and empty files included, and tells what it reads', async () => {
  const store = await storeIn();
  const sparse = file('sparse', 'begin');
  truncateSync(sparse, 9 * mebi);
  for (const path of [sparse, file('empty', ''), file('small', 'x')]) await keep(store, path);
  await keep(await storeIn(join(home, 'worker', 'artifacts', 'store')), sparse);
  await keepLog('hello');
  const told: string[] = [];
  const { facts, findings } = await checkArtifacts({
    ...{ home, putAside: false, wallMs: 0, signal: new AbortController().signal },
    onRead: (what, bytes, of) => told.push(`${what} ${bytes <= of}`),
  });
  expect(findings).toEqual([]);
  const bytes = 2 * 9 * mebi + 1 + 5;
  const none = { badArtifacts: 0, badLogs: 0, logsWithoutSum: 0, putAside: [] };
  expect(facts).toEqual({ artifacts: 4, logs: 1, bytes, ...none });
  expect(new Set(told)).toEqual(new Set(['artifacts true', "the worker's artifacts true", 'logs true']));
});

it('names a flipped bit, a file that is gone and a changed list, counts them, and moves nothing unasked', async () => {
  const store = await storeIn();
  const sound = await keep(store, file('sound', 'sound'));
  const large = await keep(store, file('large', Buffer.alloc(5 * mebi, 'large')));
  const [id = ''] = readdirSync(contents()).filter(
    (name) => readFileSync(join(contents(), name)).length > mebi,
  );
  const other = readdirSync(contents());
  const lost = await keep(store, file('lost', 'lost'));
  const changed = await keep(store, file('changed', 'changed'));
  flip(join(contents(), id), 4.5 * mebi);
  for (const name of readdirSync(contents()))
    if (!other.includes(name) && readFileSync(join(contents(), name), 'utf8') === 'lost')
      rmSync(join(contents(), name));
  flip(join(home, 'artifacts', 'artifacts', nameOf(changed)), 5);
  const { facts, findings } = await check();
  expect(facts).toMatchObject({ artifacts: 4, badArtifacts: 3, putAside: [] });
  const said = Object.fromEntries(findings.map(({ file: name, what }) => [name.split('/').at(-1), what]));
  expect(Object.keys(said).sort()).toEqual([large, lost, changed].map(nameOf).sort());
  expect(said[nameOf(large)]).toContain('has another sha-256');
  expect(said[nameOf(lost)]).toContain('it is not there');
  expect(said[nameOf(changed)]).toContain('its list of files');
  expect(findings[0]?.fix).toContain('--put-aside');
  expect(said[nameOf(sound)]).toBe(undefined);
  expect(existsSync(join(contents(), id))).toBe(true);
});

it('puts what is bad aside when it is asked to, also what two artifacts have, and a store that opens then has the rest', async () => {
  const store = await storeIn();
  const sound = await keep(store, file('sound', 'sound'));
  const folder = join(scratch, 'both');
  mkdirSync(folder);
  writeFileSync(join(folder, 'a'), 'shared');
  const bad = [await keep(store, file('alone', 'shared')), await keep(store, folder)];
  const [id = ''] = readdirSync(contents()).filter(
    (name) => readFileSync(join(contents(), name), 'utf8') === 'shared',
  );
  flip(join(contents(), id), 0);
  const { facts, findings } = await check(true);
  expect(facts).toMatchObject({
    badArtifacts: 2,
    putAside: [join(home, 'artifacts', 'damaged-1970-01-01T00-00-00-000Z')],
  });
  expect(findings.every(({ fix }) => fix.includes('put aside into'))).toBe(true);
  const [aside = ''] = facts.putAside;
  expect(readdirSync(join(aside, 'artifacts')).sort()).toEqual(bad.map(nameOf).sort());
  expect(readdirSync(join(aside, 'files'))).toEqual([id]);
  expect((await check()).findings).toEqual([]);
  const next = await storeIn();
  expect([sound, ...bad].map((digest) => next.has(digest))).toEqual([true, false, false]);
  // And takes it again.
  await keep(next, file('alone', 'shared'));
  expect((await check()).facts).toMatchObject({ artifacts: 2, badArtifacts: 0 });
});

it('names a log that was changed; one that an older broker kept is only read', async () => {
  await storeIn();
  const log = await keepLog('what it wrote');
  rmSync(log.replace('.log', '.sum'));
  flip(log, 3);
  expect(await check()).toMatchObject({ facts: { logs: 1, logsWithoutSum: 1, badLogs: 0 }, findings: [] });
  flip(await keepLog('what it wrote'), 3);
  const { facts, findings } = await check(true);
  expect(facts).toMatchObject({ logs: 1, logsWithoutSum: 0, badLogs: 1 });
  expect(findings).toMatchObject([
    { file: 'artifacts/logs/w-1/t7.2.log', what: expect.stringContaining('t7, try 2') },
  ]);
  expect(existsSync(log)).toBe(false);
  expect(readdirSync(join(facts.putAside[0] ?? '', 'logs', 'w-1')).sort()).toEqual(['t7.2.log', 't7.2.sum']);
  expect((await check()).facts.logs).toBe(0);
});

it('puts nothing aside while a daemon runs on the home, and ends when it is told to', async () => {
  const store = await storeIn();
  await keep(store, file('a', 'a'));
  const journal = lockJournal(join(home, 'journal'), 'grid broker, pid 1');
  await expect(check(true)).rejects.toMatchObject({ code: 'locked' });
  expect((await check()).findings).toEqual([]);
  journal.release();
  const worker = lockFolder(join(home, 'worker'), 'worker', 'process 1');
  await expect(check(true)).rejects.toThrow('stop it, then put aside');
  if ('lock' in worker) worker.lock.release();
  expect((await check(true)).facts.putAside).toEqual([]);
  const why = new Error('enough');
  await expect(check(false, AbortSignal.abort(why))).rejects.toBe(why);
  rmSync(join(home, 'artifacts'), { recursive: true });
  await expect(check()).rejects.toThrow('keeps no files of tasks');
});
