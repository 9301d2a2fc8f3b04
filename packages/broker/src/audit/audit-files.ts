/** The files of an audit log: `audit/audit-SEQ.log`, each named by its first record; the newest is written. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMissing } from '@gryphgen/runtime';

const pattern = /^audit-([0-9]{16})\.log$/;

export function auditPath(dir: string, seq: number): string {
  return join(dir, `audit-${String(seq).padStart(16, '0')}.log`);
}

/** First records, ascending. */
export function auditFilesIn(dir: string): number[] {
  if (!existsSync(dir)) return [];
  return readdirSync(dir)
    .flatMap((name) => pattern.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
}

/** Undefined of one that the broker has forgotten since it was listed: with it go all older ones, and before it. */
export function readAuditFile(dir: string, seq: number): Buffer | undefined {
  try {
    return readFileSync(auditPath(dir, seq));
  } catch (error) {
    if (isMissing(error) && !auditFilesIn(dir).some((older) => older < seq)) return undefined;
    throw error;
  }
}
