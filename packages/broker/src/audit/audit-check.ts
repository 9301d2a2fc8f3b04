/**
 * Reads an audit log and says up to where it can be believed: the first record that is not as it was written, a
 * checkpoint that the grid's key did not sign, an end that was cut.
 *
 * 1. After the first bad record nothing is judged: what follows could be anything.
 * 2. A checkpoint is signed for a commit of the journal, too: one that the journal has otherwise now was written anew
 *    there, without the grid's key. Where later records name earlier commits than records before them, the journal was an
 *    older one from there on (a backup's, or one whose end was lost): what was signed for beyond it proves nothing more,
 *    and that it happened is told.
 */
import { basename, join } from 'node:path';
import type { CheckDocument, CheckFinding, JournalHead } from '@gryphgen/protocol';
import { parseJson } from '@gryphgen/runtime';
import {
  type AuditEntry,
  type AuditHead,
  type AuditRecord,
  auditFormat,
  auditGenesis,
  type CheckpointRecord,
  digestOf,
  isSigned,
} from './audit-chain.ts';
import { auditFilesIn, auditPath, readAuditFile } from './audit-files.ts';
import { checkpointEvery } from './audit-log.ts';

export interface AuditCheckOptions {
  readonly dir: string;
  readonly grid: string;
  /** The grid's public signing key. */
  readonly key: string;
  /** The record that the journal names, read before the log. */
  readonly anchor: AuditHead | null;
  /** A broker writes meanwhile. */
  readonly live: boolean;
  /** The digest that the journal has of this commit, if it knows one; absent: there is no journal to compare with. */
  readonly commit?: (seq: number) => string | undefined;
}

/** A commit as a checkpoint was signed for it. */
interface SignedCommit {
  readonly file: string;
  readonly record: number;
  readonly journal: JournalHead;
}

const mostNamed = 10;

const keeping =
  'keep the file as it is, and compare it with a backup; what the log says up to here stands, what follows proves nothing';

const comparing =
  'keep both as they are, and compare the journal with a backup and with what workers have seen (witnesses)';

export function checkAudit(options: AuditCheckOptions): {
  readonly facts: CheckDocument['audit'];
  readonly findings: readonly CheckFinding[];
} {
  const walk = new Walk(options);
  const files = auditFilesIn(options.dir);
  for (const [at, first] of files.entries()) {
    if (!walk.file(first, at === files.length - 1)) break;
  }
  walk.end();
  const { records, first, last, signed, findings } = walk;
  return { facts: files.length === 0 ? null : { records, first, last, signed }, findings };
}

class Walk {
  readonly findings: CheckFinding[] = [];
  records = 0;
  first = 0;
  last = 0;
  /** The newest checkpoint. */
  signed = 0;
  private readonly options: AuditCheckOptions;
  /** In the order of their commits: each was signed for, and no later record names an earlier one. */
  private commits: SignedCommit[] = [];
  private newestCommit = 0;
  private digest = auditGenesis;
  private atAnchor = '';
  private unsigned = 0;
  private isBroken = false;
  private name = 'audit';

  constructor(options: AuditCheckOptions) {
    this.options = options;
  }

  /** False when what follows cannot be judged. */
  file(first: number, isNewest: boolean): boolean {
    const { dir } = this.options;
    this.name = join('audit', basename(auditPath(dir, first)));
    const bytes = readAuditFile(dir, first);
    if (bytes === undefined) {
      // What was read before is forgotten by now, too: the log begins with the next file.
      this.records = 0;
      return true;
    }
    const lines = bytes.toString().split('\n');
    const rest = lines.pop() ?? '';
    for (const [at, line] of lines.entries()) {
      const wrong = this.record(line, at === 0);
      if (wrong === undefined) continue;
      this.damage(first + at, wrong);
      this.isBroken = true;
      return false;
    }
    if (rest === '' || (this.options.live && isNewest)) return true;
    if (isNewest)
      this.note(this.last + 1, 'the log ends within a record: the broker was killed while it wrote it');
    else this.damage(this.last + 1, 'the file ends within a record');
    return isNewest;
  }

  end(): void {
    this.compareCommits();
    const { anchor } = this.options;
    if (anchor === null || this.isBroken) return;
    if (anchor.seq > this.last)
      this.damage(
        this.last + 1,
        `the log ends at record ${this.last}, and the journal names record ${anchor.seq}: its end was cut`,
      );
    else if (anchor.seq >= this.first && this.atAnchor !== anchor.digest)
      this.damage(anchor.seq, 'the journal names another record of this number: the log was written anew');
  }

  /** What was signed for up to the record that the journal names is in it by now (audit-chain.ts, 1). */
  private compareCommits(): void {
    const { commit, anchor } = this.options;
    if (commit === undefined || anchor === null) return;
    let named = 0;
    for (const { file, record, journal } of this.commits) {
      if (record > anchor.seq) break;
      const known = commit(journal.seq);
      if (known === undefined || known === journal.digest || named >= mostNamed) continue;
      named += 1;
      const what = `it is signed for commit ${journal.seq} with the digest ${journal.digest}, and the journal has ${known}: the journal was written anew, or is another`;
      this.findings.push({ level: 'damage', file, place: `record ${record}`, what, fix: comparing });
    }
  }

  private noteCommit(record: AuditRecord): void {
    const { journal } = record;
    if (!Number.isSafeInteger(journal?.seq)) return;
    if (journal.seq < this.newestCommit) {
      this.commits = this.commits.filter((signed) => signed.journal.seq <= journal.seq);
      const what = `it names commit ${journal.seq}, and one before it commit ${this.newestCommit}: the journal was an older one from here on, such as a backup's (grid restore)`;
      this.note(
        record.seq,
        what,
        'nothing, where a backup was restored then; else see what the journal lacks',
      );
    }
    this.newestCommit = journal.seq;
    if (record.kind !== 'checkpoint' || journal.seq === 0) return;
    this.commits.push({ file: this.name, record: record.seq, journal });
  }

  private record(line: string, beginsFile: boolean): string | undefined {
    const [, digest = '', body = ''] = /^([0-9a-f]{64}) (\{.*\})$/.exec(line) ?? [];
    const parsed = parse(body);
    if (parsed === undefined) return 'it is no record';
    if (beginsFile && parsed.kind !== 'checkpoint')
      return 'a file begins with a checkpoint, and this is none';
    const isFirst = this.records === 0;
    const begins = parsed.kind === 'checkpoint' && (isFirst || parsed.lost !== null);
    if (digestOf(begins ? parsed.previous : this.digest, body) !== digest)
      return 'it does not follow from the one before: it was changed, or one before it was put in or taken out';
    if (!begins && parsed.seq !== this.last + 1)
      return `it has number ${parsed.seq}, and ${this.last + 1} was expected`;
    if (parsed.kind === 'checkpoint') {
      const wrong = this.checkpoint(parsed, begins ? parsed.previous : this.digest);
      if (wrong !== undefined) return wrong;
    } else {
      this.unsigned += 1;
      if (this.unsigned > 2 * checkpointEvery)
        return `${this.unsigned} records follow the last checkpoint, more than the broker ever leaves unsigned`;
    }
    this.noteCommit(parsed);
    this.digest = digest;
    this.last = parsed.seq;
    if (isFirst) this.first = parsed.seq;
    this.records += 1;
    if (parsed.seq === this.options.anchor?.seq) this.atAnchor = digest;
    return undefined;
  }

  private checkpoint(record: CheckpointRecord, before: string): string | undefined {
    const { grid, key } = this.options;
    if (record.format > auditFormat)
      return `it is of format ${record.format}, and this program reads ${auditFormat}`;
    if (!isSigned(key, grid, record))
      return "it is not signed by the grid's key: the log was written anew without it";
    if (record.previous !== before) return 'it is signed for another record before it';
    if (record.lost !== null) {
      const [from, to] = record.lost;
      this.damage(
        from,
        `records ${from} to ${to} were gone, or others, when the broker started: the log was cut or written anew`,
      );
    }
    this.signed = record.seq;
    this.unsigned = 0;
    return undefined;
  }

  private damage(record: number, what: string): void {
    this.findings.push({ level: 'damage', file: this.name, place: `record ${record}`, what, fix: keeping });
  }

  private note(
    record: number,
    what: string,
    fix = 'nothing: the next start of the broker cuts it off',
  ): void {
    this.findings.push({ level: 'note', file: this.name, place: `record ${record}`, what, fix });
  }
}

export interface AuditQuestion {
  /** Wall clock, ms. */
  readonly since: number;
  /** '' of anybody. */
  readonly principal: string;
  readonly limit: number;
}

export interface ShownEntry extends AuditEntry {
  readonly seq: number;
}

/** The newest entries, oldest first, as the log has them: believed or not is another question. */
export function readAudit(dir: string, { since, principal, limit }: AuditQuestion): ShownEntry[] {
  const shown: ShownEntry[] = [];
  for (const first of auditFilesIn(dir).toReversed()) {
    const text = readAuditFile(dir, first)?.toString() ?? '';
    for (const line of text.split('\n').toReversed()) {
      const record = parse(line.slice(auditGenesis.length + 1));
      if (record?.kind !== 'entry') continue;
      const { kind: _, journal: __, ...entry } = record;
      if (entry.until >= since && (principal === '' || entry.who === principal)) shown.push(entry);
      if (shown.length >= limit) return shown.toReversed();
    }
  }
  return shown.toReversed();
}

/** Undefined for what is no record: nothing of a damaged one is used before its digest has been checked. */
function parse(body: string): AuditRecord | undefined {
  const record = parseJson(body) as Partial<AuditRecord> | null | undefined;
  if (typeof record !== 'object' || record === null || !Number.isSafeInteger(record.seq)) return undefined;
  if (record.kind === 'entry') return record as AuditRecord;
  if (record.kind !== 'checkpoint') return undefined;
  const { format, previous, signature, journal, lost } = record;
  const isWhole =
    typeof format === 'number' &&
    typeof previous === 'string' &&
    typeof signature === 'string' &&
    typeof journal === 'object' &&
    (lost === null || lost?.length === 2);
  return isWhole ? (record as AuditRecord) : undefined;
}
