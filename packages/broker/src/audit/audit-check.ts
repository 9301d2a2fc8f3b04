/**
 * Reads an audit log and says up to where it can be believed: the first record that is not as it was written, a
 * checkpoint that the grid's key did not sign, an end that was cut.
 *
 * 1. After the first bad record nothing is judged: what follows could be anything.
 */
import { basename, join } from 'node:path';
import type { CheckDocument, CheckFinding } from '@gryphgen/protocol';
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
}

const keeping =
  'keep the file as it is, and compare it with a backup; what the log says up to here stands, what follows proves nothing';

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

  private note(record: number, what: string): void {
    const fix = 'nothing: the next start of the broker cuts it off';
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
