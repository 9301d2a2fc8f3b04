/**
 * `grid backup`: a copy of a broker's home as of one moment, while its broker runs or does not.
 *
 * 1. The broker has no part in it: SQLite lets others read as of one moment while it writes. A broker that starts, stops or
 *    is killed meanwhile changes nothing.
 * 2. What was copied is inspected as an opening would, before it counts: no backup of a damaged journal passes for one.
 * 3. The file has its name when it is complete and synced, and not before; drafts lie beside it and go.
 */
import { randomBytes } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { failure, GridError, productVersion } from '@gryphgen/protocol';
import {
  type ArchiveSource,
  gridIdOf,
  isMissing,
  keyTrouble,
  loadIdentity,
  writeArchive,
} from '@gryphgen/runtime';
import { backup } from '@photostructure/sqlite';
import { auditFilesIn, auditPath, readAuditFile } from '../audit/audit-files.ts';
import { openForReading } from '../journal/database.ts';
import { hex } from '../journal/digest-chain.ts';
import { type Inspection, inspect } from '../journal/inspection.ts';
import {
  generationsIn,
  historyPath,
  journalPath,
  snapshotPath,
  snapshotsIn,
  syncFolder,
} from '../journal/journal-files.ts';
import { journalSettings } from '../journal/settings.ts';
import { failureOfWrite } from '../journal/sqlite-failure.ts';
import {
  type ArtifactsOrder,
  copyArtifacts,
  leftOut,
  listArtifacts,
  neededBy,
  withFolder,
} from './backup-artifacts.ts';
import {
  type ArtifactsLeftOut,
  type BackupAbout,
  type BackupArtifacts,
  type BackupDocument,
  backupKind,
  backupNames,
} from './backup-file.ts';

export interface BackupOrder {
  readonly home: string;
  readonly file: string;
  readonly withKeys: boolean;
  readonly wallMs: number;
  /** Where the files of tasks are to be kept; absent: they are left out. */
  readonly artifacts?: ArtifactsOrder;
}

/** `leftOut`: null of one without files of tasks. */
export interface BackupMade extends BackupDocument {
  readonly leftOut: ArtifactsLeftOut | null;
}

/** As often is a journal copied that changes under the copy's hands (a snapshot is taken). */
const tries = 3;
const beside = ['grid.json', 'config.json', 'policy.yaml'];
/** Holds no secret: who may enter, by their public keys. */
const authorizedName = 'authorized.json';

/** Rejects with GridError, in words, and with what the file system says. */
export async function writeBackup(order: BackupOrder): Promise<BackupMade> {
  const path = resolve(order.file);
  if (existsSync(path)) throw refused(`${path} is there already: choose another name, or move it away`);
  const grid = gridOf(order.home);
  const { artifacts } = order;
  if (artifacts === undefined) return await write({ ...order, file: path }, grid);
  return await withFolder(artifacts.folder, order.home, () => write({ ...order, file: path }, grid));
}

async function write(order: BackupOrder, grid: string): Promise<BackupMade> {
  const { home, file: path, withKeys, wallMs } = order;
  const draft = `${path}.${randomBytes(6).toString('hex')}.draft`;
  mkdirSync(join(draft, 'journal'), { recursive: true, mode: 0o700 });
  try {
    const { inspection, artifacts, leftOut: out } = await copyAll(order, join(draft, 'journal'));
    const { epoch, head } = inspection;
    copyAudit(join(home, 'audit'), join(draft, 'audit'));
    copyKeys(home, draft, withKeys);
    for (const name of beside)
      if (existsSync(join(home, name))) copyFileSync(join(home, name), join(draft, name));
    const about: BackupAbout = {
      grid,
      madeAt: wallMs,
      withKeys,
      epoch,
      head: { seq: head.seq, digest: hex(head.digest) },
      ...(artifacts !== null && { artifacts }),
    };
    const unfinished = join(draft, 'backup.tar');
    const content = {
      kind: backupKind,
      program: productVersion,
      about: { ...about },
      sources: sourcesIn(draft),
    };
    const { files } = writeArchive(unfinished, content);
    const bytes = statSync(unfinished).size;
    renameSync(unfinished, path);
    syncFolder(dirname(path));
    return { file: path, bytes, ...about, files, leftOut: out };
  } catch (error) {
    throw spaceless(error, path);
  } finally {
    rmSync(draft, { recursive: true, force: true });
  }
}

interface Copied {
  readonly inspection: Inspection;
  readonly artifacts: BackupArtifacts | null;
  readonly leftOut: ArtifactsLeftOut | null;
}

/** The journal, and the files that its unfinished tasks are given (backup-artifacts.ts, 2). */
async function copyAll({ home, artifacts: order }: BackupOrder, to: string): Promise<Copied> {
  for (let left = tries; ; left -= 1) {
    const inspection = await copyJournal(join(home, 'journal'), to);
    if (order === undefined) return { inspection, artifacts: null, leftOut: null };
    const needed = neededBy(to, inspection.epoch);
    const copied = await copyArtifacts(home, order);
    const out = leftOut(copied, needed);
    // Only a worker may have one: then it lacks in each try.
    if (out.lacking > 0 && left > 1) continue;
    return { inspection, artifacts: await listArtifacts(order.folder, copied), leftOut: out };
  }
}

function gridOf(home: string): string {
  const path = join(home, 'keys', 'grid.json');
  if (!existsSync(join(home, 'journal')) || !existsSync(path))
    throw refused(`${home} is not the home of a broker: run it on the broker's machine (GRID_HOME)`);
  const trouble = keyTrouble(home, 'grid');
  if (trouble !== undefined) throw refused(`${trouble}: "grid fsck" tells more`);
  return gridIdOf(loadIdentity(home, 'grid').key);
}

async function copyJournal(from: string, to: string): Promise<Inspection> {
  for (let left = tries; ; left -= 1) {
    const newest = generationsIn(from).at(-1);
    if (newest === undefined) throw refused(`there is no journal in ${from} yet: start the broker once`);
    rmSync(to, { recursive: true, force: true });
    mkdirSync(to, { mode: 0o700 });
    // Snapshots first: whatever they replace, a later copy of the log leads on from them. The table of finished tasks
    // last: of what it has beyond the log, an opening lets go.
    for (const seq of snapshotsIn(from)) copyIfThere(snapshotPath(from, seq), snapshotPath(to, seq));
    await copyDatabase(journalPath(from, newest), journalPath(to, newest));
    if (existsSync(historyPath(from))) await copyDatabase(historyPath(from), historyPath(to));
    const inspection = inspect(to, journalPath(to, newest), journalSettings, productVersion);
    writeFileSync(join(to, 'epoch'), `${inspection.epoch}\n`, { mode: 0o600 });
    const [wrong] = inspection.findings;
    if (wrong === undefined) return inspection;
    if (left > 1) continue;
    const words = `the journal in ${from} is damaged: ${wrong.what} "grid fsck" tells all of it; start the broker, which goes on with what is sound, and back up then`;
    throw refused(words);
  }
}

/** All pages in one step: as of one moment. */
async function copyDatabase(from: string, to: string): Promise<void> {
  const db = openForReading(from, journalSettings);
  try {
    await backup(db, to, { rate: -1 });
  } finally {
    db.close();
  }
}

/** A snapshot goes when a newer one has been taken. */
function copyIfThere(from: string, to: string): void {
  try {
    copyFileSync(from, to);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

/**
 * After the journal: what that names is in it by now. A record that is being written is left out. Newest first: what the
 * broker forgets meanwhile is the end of the copy, not a gap in it.
 */
function copyAudit(from: string, to: string): void {
  mkdirSync(to, { mode: 0o700 });
  for (const seq of auditFilesIn(from).toReversed()) {
    const bytes = readAuditFile(from, seq);
    if (bytes === undefined) return;
    writeFileSync(auditPath(to, seq), bytes.subarray(0, bytes.lastIndexOf('\n') + 1), { mode: 0o600 });
  }
}

function copyKeys(home: string, draft: string, withKeys: boolean): void {
  const from = join(home, 'keys');
  mkdirSync(join(draft, 'keys'), { mode: 0o700 });
  for (const name of readdirSync(from)) {
    const isWanted = withKeys || name === authorizedName;
    if (isWanted && backupNames.test(`keys/${name}`))
      copyFileSync(join(from, name), join(draft, 'keys', name));
  }
}

/** The small ones first, so that a look at the beginning of the file shows most of them. */
function sourcesIn(draft: string): ArchiveSource[] {
  const names = ['', 'keys', 'journal', 'audit'].flatMap((folder) =>
    readdirSync(join(draft, folder)).map((name) => join(folder, name)),
  );
  return names
    .filter((name) => backupNames.test(name))
    .map((name) => ({ name, path: join(draft, name), bytes: statSync(join(draft, name)).size }))
    .toSorted((a, b) => a.bytes - b.bytes);
}

function spaceless(error: unknown, path: string): unknown {
  const isFull =
    (error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT')) ||
    failureOfWrite(error, dirname(path)).code === 'full';
  if (!isFull) return error;
  return refused(
    `there is no room for ${path}: a backup takes twice what the journal takes while it is made. Nothing is left of it`,
  );
}

function refused(words: string): GridError {
  return new GridError(failure('rejected.state', words));
}
