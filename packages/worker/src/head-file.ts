/**
 * The newest journal head this worker has seen, kept over restarts: a broker that comes back with a shorter journal is
 * noticed by every worker that remembers a longer one.
 *
 * 1. One write at a time, the newest head wins; the file is replaced atomically.
 */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { type JournalHead, journalHeadSchema } from '@gryphgen/protocol';
import type { Log } from '@gryphgen/runtime';

export class HeadFile {
  private readonly path: string;
  private readonly log: Log;
  private head: JournalHead | null = null;
  private writing: Promise<void> | null = null;

  constructor(path: string, log: Log) {
    this.path = path;
    this.log = log;
  }

  get latest(): JournalHead | null {
    return this.head;
  }

  async load(): Promise<void> {
    try {
      const parsed = journalHeadSchema.safeParse(JSON.parse(await readFile(this.path, 'utf8')));
      if (parsed.success) this.head = parsed.data;
      else this.log.warn({ path: this.path }, 'the remembered journal head makes no sense and is not used');
    } catch (error) {
      if (isMissing(error)) return;
      this.log.warn({ err: error }, 'the remembered journal head cannot be read');
    }
  }

  save(head: JournalHead): void {
    if (head.seq === this.head?.seq && head.digest === this.head.digest) return;
    this.head = head;
    this.writing ??= this.write().finally(() => {
      this.writing = null;
    });
  }

  async close(): Promise<void> {
    await this.writing;
  }

  private async write(): Promise<void> {
    for (let written: JournalHead | null = null; written !== this.head; ) {
      written = this.head;
      try {
        await writeFile(`${this.path}.new`, `${JSON.stringify(written)}\n`, { mode: 0o600, flush: true });
        await rename(`${this.path}.new`, this.path);
      } catch (error) {
        // A witness that forgets is a pity, not a reason to stop working.
        this.log.warn({ err: error }, 'the journal head cannot be remembered');
        return;
      }
    }
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
