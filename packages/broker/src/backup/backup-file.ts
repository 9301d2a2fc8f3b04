/** What a backup is, for whoever writes and reads one: an archive (runtime/archive) of these files of a broker's home. */
import { type JournalHead, journalHeadSchema } from '@gryphgen/protocol';
import { z } from 'zod';

export const backupKind = 'gryphgen backup';

/** Relative to the home. Not in it: what this machine's worker keeps, logs, sockets. */
export const backupNames =
  /^(keys\/[a-z][a-z0-9-]{0,31}\.json|journal\/(epoch|journal-[1-9][0-9]{0,8}\.db|history\.db|snapshot-[0-9]{16}\.state)|audit\/audit-[0-9]{16}\.log|grid\.json|config\.json|policy\.yaml)$/;

/** In the archive's manifest. */
export interface BackupAbout {
  /** The grid's id. */
  readonly grid: string;
  /** Wall clock, ms. */
  readonly madeAt: number;
  readonly withKeys: boolean;
  readonly epoch: number;
  readonly head: JournalHead;
  /** The files of tasks that were kept with it, in a folder of their own (backup-artifacts.ts); absent: none. */
  readonly artifacts?: BackupArtifacts | undefined;
}

export interface BackupArtifacts {
  /** The sha-256 of the list of them, by which that is named. */
  readonly list: string;
  readonly count: number;
  readonly bytes: number;
}

/** A manifest that is whole can be another program's, or anyone's. */
export const backupAboutSchema: z.ZodType<BackupAbout> = z.object({
  grid: z.string().min(1).max(64),
  madeAt: z.number().int().min(0),
  withKeys: z.boolean(),
  epoch: z.number().int().min(0),
  head: journalHeadSchema,
  artifacts: z
    .object({
      list: z.string().regex(/^[0-9a-f]{64}$/),
      count: z.number().int().min(0),
      bytes: z.number().int().min(0),
    })
    .optional(),
});

/** What `grid backup` and `grid restore` tell of the file. */
export interface BackupDocument extends BackupAbout {
  readonly file: string;
  readonly bytes: number;
  readonly files: readonly { readonly name: string; readonly bytes: number; readonly sha256: string }[];
}

/** What of the artifacts was not as it should be. */
export interface ArtifactsLeftOut {
  /** What is in the store, or in the backup's folder, is not what was stored; the first, and how many. */
  readonly damaged: number;
  readonly firstDamaged: string;
  /** That were to be there and are not: of a backup those that unfinished tasks are given, of a restore those of its list. */
  readonly lacking: number;
  readonly firstLacking: string;
}
