/** An audit log as it is written, and with everything done to it that must be noticed. */
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JournalHead } from '@gryphgen/protocol';
import { createIdentity } from '@gryphgen/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type AuditHead, digestOf } from './audit-chain.ts';
import { checkAudit, readAudit } from './audit-check.ts';
import { AuditCollector, type AuditNote } from './audit-collector.ts';
import { auditFilesIn, auditPath } from './audit-files.ts';
import { AuditLog } from './audit-log.ts';

const grid = 'g-0123456789abcdef';
const signer = createIdentity();
const submit: AuditNote = {
  who: 'p-1',
  role: 'submitter',
  from: '',
  what: 'submit',
  subject: 't1',
  code: '',
};

let dir: string;
let wall = 1000;
const troubles: unknown[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'gg-audit-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true });
  expect(troubles.splice(0)).toEqual([]);
});

async function written(
  count: number,
  anchor: AuditHead | null = null,
  maxBytes = 1e9,
  journal: JournalHead = { seq: 7, digest: 'aa' },
): Promise<AuditHead> {
  const log = new AuditLog({
    dir,
    grid,
    signer,
    maxBytes,
    maxAgeMs: 1e12,
    journalHead: () => journal,
    wallMs: () => Date.now(),
    onTrouble: (error, at) => troubles.push({ error, at }),
  });
  await log.start(anchor);
  for (let n = 1; n <= count; n += 1) {
    wall += 1;
    log.add({ ...submit, subject: `t${n}`, count: 1, at: wall, until: wall });
    if (n % 1000 === 0) await log.flush();
  }
  await log.stop();
  expect(log.dropped).toBe(0);
  return log.newest;
}

const check = (anchor: AuditHead | null = null, key = signer.key) =>
  checkAudit({ dir, grid, key, anchor, live: false });
const file = () => join(dir, readdirSync(dir)[0] ?? '');
const linesOf = () => readFileSync(file(), 'utf8').split('\n').slice(0, -1);
const put = (lines: readonly string[]) => writeFileSync(file(), lines.map((line) => `${line}\n`).join(''));

describe('an audit log', () => {
  it('is whole over restarts, and shows what it has', async () => {
    const first = await written(3);
    const newest = await written(2, first);
    // A checkpoint begins and ends each life.
    expect(check(newest)).toEqual({ facts: { records: 9, first: 1, last: 9, signed: 9 }, findings: [] });
    expect(readAudit(dir, { since: 0, principal: '', limit: 3 }).map(({ subject }) => subject)).toEqual([
      't3',
      't1',
      't2',
    ]);
    expect(readAudit(dir, { since: wall, principal: 'p-1', limit: 10 })).toHaveLength(1);
    expect(readAudit(dir, { since: 0, principal: 'p-2', limit: 10 })).toEqual([]);
    expect(statSync(file()).mode & 0o777).toBe(0o600);
  });

  it('is signed for commits: a journal that has another of one was written anew, and one that begins again is told', async () => {
    const heads = [5, 9, 12].map((seq) => ({ seq, digest: String(seq).repeat(32) }));
    let newest: AuditHead | null = null;
    for (const head of heads) newest = await written(2, newest, 1e9, head);
    const asked = (known: Record<number, string>, anchor = newest) =>
      checkAudit({ dir, grid, key: signer.key, anchor, live: false, commit: (seq) => known[seq] }).findings;
    const sound = Object.fromEntries(heads.map(({ seq, digest }) => [seq, digest]));
    expect(asked(sound)).toEqual([]);
    const other = asked({ ...sound, 9: 'f'.repeat(64) });
    expect(other.map(({ level, place }) => [level, place])).toEqual([
      ['damage', 'record 5'],
      ['damage', 'record 8'],
    ]);
    expect(other[0]?.what).toContain('signed for commit 9');
    // Of what the journal does not name yet it may not have all.
    expect(asked({ ...sound, 12: 'f'.repeat(64) }, { seq: 8, digest: newest?.digest ?? '' })).toMatchObject([
      { what: expect.stringContaining('another record of this number') },
    ]);
    newest = await written(1, newest, 1e9, { seq: 7, digest: '7'.repeat(64) });
    const since = asked({ 5: sound[5] ?? '', 7: '7'.repeat(64), 9: 'new', 12: 'new' });
    expect(since).toMatchObject([
      { level: 'note', what: expect.stringContaining('an older one from here on') },
    ]);
    expect(asked({ 5: 'f'.repeat(64) }).filter(({ level }) => level === 'damage')).toHaveLength(2);
  });

  it('with any bit flipped names the first record that is not as it was', async () => {
    await written(4);
    const bytes = readFileSync(file());
    let record = 1;
    for (const [at, byte] of bytes.entries()) {
      if (at % 5 === 0) {
        const changed = Buffer.from(bytes);
        changed.writeUInt8(byte ^ (1 << (at % 7)), at);
        writeFileSync(file(), changed);
        const [first] = check().findings;
        // A flipped line break joins two records, or cuts one in two.
        expect([`record ${record}`, `record ${record + 1}`]).toContain(first?.place);
      }
      if (byte === 0x0a) record += 1;
    }
  });

  it('with a record taken out, put in or exchanged names the place', async () => {
    await written(4);
    const lines = linesOf();
    put(lines.filter((_, at) => at !== 2));
    expect(check().findings).toMatchObject([{ level: 'damage', place: 'record 3' }]);
    put([...lines.slice(0, 3), lines[2] ?? '', ...lines.slice(3)]);
    expect(check().findings).toMatchObject([{ place: 'record 4' }]);
    put([lines[0], lines[2], lines[1], ...lines.slice(3)].map(String));
    expect(check().findings).toMatchObject([{ place: 'record 2' }]);
  });

  it('written anew without the key is noticed at the first checkpoint behind the change', async () => {
    await written(4);
    let previous = '';
    const forged = linesOf().map((line, at) => {
      const body = line.slice(65).replace('"t2"', '"t9"');
      const digest = at === 0 ? line.slice(0, 64) : digestOf(previous, body);
      previous = digest;
      return `${digest} ${body}`;
    });
    put(forged);
    // Records 1 and 6 are checkpoints.
    expect(check().findings).toMatchObject([
      { place: 'record 6', what: expect.stringContaining('signed for another record') },
    ]);
    expect(check(null, createIdentity().key).findings).toMatchObject([
      { place: 'record 1', what: expect.stringContaining("not signed by the grid's key") },
    ]);
  });

  it('cut at its end is noticed by what the journal names, and does not heal', async () => {
    const newest = await written(4);
    put(linesOf().slice(0, 3));
    expect(check().findings).toEqual([]);
    expect(check(newest).findings).toMatchObject([
      { place: 'record 4', what: expect.stringContaining('its end was cut') },
    ]);
    const later = await written(1, newest);
    expect(later.seq).toBe(newest.seq + 3);
    expect(check(later).findings).toMatchObject([
      { place: 'record 4', what: expect.stringContaining('records 4 to 6 were gone') },
    ]);
  });

  it('ended within a record by a kill is a note, and goes on', async () => {
    const newest = await written(2);
    appendFileSync(file(), '0123456789');
    expect(check(newest).findings).toMatchObject([{ level: 'note' }]);
    expect(check(await written(1, newest)).findings).toEqual([]);
  });

  it.each(['', '0123'])('goes on before a newest file that has no whole record: %j', async (text) => {
    const newest = await written(2);
    for (const after of [1, 9]) writeFileSync(auditPath(dir, newest.seq + after), text);
    const later = await written(1, newest);
    expect(later.seq).toBe(newest.seq + 3);
    expect(auditFilesIn(dir)).toEqual([1, newest.seq + 1]);
    expect(check(later)).toMatchObject({ facts: { first: 1, last: later.seq }, findings: [] });
  });

  it('emptied by somebody is noticed still', async () => {
    const first = await written(1);
    const newest = await written(1, first);
    writeFileSync(auditPath(dir, first.seq + 1), '');
    const { findings } = check(await written(1, newest));
    expect(findings).toMatchObject([{ what: expect.stringContaining('records 4 to 6 were gone') }]);
  });

  it('forgets its oldest files and can still be checked', async () => {
    // More than a file takes.
    const first = await written(20_000);
    expect(auditFilesIn(dir)).toHaveLength(2);
    const second = await written(20_000, first, 4_000_000);
    const { facts, findings } = check(second);
    expect(findings).toEqual([]);
    expect(facts?.first).toBe(first.seq + 1);
    const sizes = readdirSync(dir).map((name) => statSync(join(dir, name)).size);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(4_000_000 + 4_200_000);
  });

  it('that cannot forget its oldest file says so, and writes each record once', async () => {
    const first = await written(1);
    const second = await written(1, first);
    const path = auditPath(dir, 1);
    rmSync(path);
    // A folder is not removed as a file is.
    mkdirSync(path);
    const third = await written(20_000, second, 1);
    expect(troubles.splice(0)).toMatchObject([{ at: 'forget' }, { at: 'forget' }]);
    rmSync(path, { recursive: true });
    expect(auditFilesIn(dir)[0]).toBe(first.seq + 1);
    expect(check(third).findings).toEqual([]);
  });

  it('whose oldest files are forgotten while it is read is whole', async () => {
    const newest = await written(3, await written(2, await written(1)));
    const [first, second, third] = auditFilesIn(dir) as [number, number, number];
    const { findings, facts } = checkAudit({
      dir,
      grid,
      anchor: newest,
      live: true,
      // Asked for at the first record.
      get key() {
        for (const seq of [first, second]) rmSync(auditPath(dir, seq), { force: true });
        return signer.key;
      },
    });
    expect(findings).toEqual([]);
    expect(facts).toMatchObject({ first: third, last: newest.seq, records: 5 });
  });

  it('shows what it has when its oldest file is forgotten after it was listed', async () => {
    await written(3);
    await written(2);
    // Is listed, and is not there.
    rmSync(auditPath(dir, 1));
    symlinkSync('forgotten', auditPath(dir, 1));
    expect(readAudit(dir, { since: 0, principal: '', limit: 10 })).toHaveLength(2);
  });

  it('with a file taken out of the middle names the place', async () => {
    for (let life = 0; life < 3; life += 1) await written(3);
    rmSync(join(dir, readdirSync(dir).toSorted()[1] ?? ''));
    expect(check().findings).toMatchObject([{ level: 'damage', place: 'record 11' }]);
  });
});

describe('what is gathered', () => {
  it('is counted where it agrees, and bounded when refusals flood', () => {
    const collector = new AuditCollector();
    for (let n = 1; n <= 3; n += 1) collector.note({ ...submit, subject: `t${n}` }, n);
    expect(collector.takeGranted()).toEqual([{ ...submit, count: 3, at: 1, until: 3 }]);
    const refused: AuditNote = { ...submit, code: 'rejected.forbidden' };
    for (let n = 0; n < 100_000; n += 1) collector.note({ ...refused, from: `10.0.${n}` }, n);
    const entries = collector.takeRefused();
    expect(entries.length).toBeLessThan(40);
    expect(entries.reduce((sum, { count }) => sum + count, 0)).toBe(100_000);
    expect(entries.at(-1)).toMatchObject({ who: 'others', what: 'submit', code: 'rejected.forbidden' });
    expect(collector.takeRefused()).toEqual([]);
  });
});
