/** A SQLite journal in a folder of its own, with a folder of groups that counts. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Finding,
  type Folder,
  type JournalSettings,
  type OpenedJournal,
  openJournal,
} from '@gryphgen/broker';
import type { JournalPlace } from './journal-suite.ts';

export const countingFolder = new URL('./counting-folder.mjs', import.meta.url);

/** A snapshot about every sixth group, so that twenty make several. */
const eager: Partial<JournalSettings> = { foldGroups: 5, snapshotGroups: 5, compactRows: 3 };

export interface SqlitePlace extends JournalPlace {
  readonly dir: string;
  open(settings?: Partial<JournalSettings>): Promise<OpenedJournal>;
  /** What the fold could not do. */
  readonly troubles: Error[];
  /** Damage that was met after an opening. */
  readonly met: Finding[];
}

export async function sqlitePlace(): Promise<SqlitePlace> {
  const dir = await mkdtemp(join(tmpdir(), 'journal-'));
  const troubles: Error[] = [];
  const met: Finding[] = [];
  return {
    dir,
    troubles,
    met,
    exclusive: true,
    folder: (await import(countingFolder.href)) as Folder<unknown>,
    open: (settings = eager) =>
      openJournal({
        dir,
        settings,
        folder: countingFolder,
        program: '0.1.0',
        holder: 'the suite',
        wallMs: Date.UTC(2026, 10, 21),
        onTrouble: (error) => troubles.push(error),
        onFinding: (finding) => met.push(finding),
      }),
    records: numbered,
    fold: async () => undefined,
    remove: () => rm(dir, { recursive: true }),
  };
}

/** Like real records: a few dozen bytes. */
export function numbered(n: number, needs = '.'.repeat(40)): Uint8Array {
  return new TextEncoder().encode(`${n} ${needs}`);
}
