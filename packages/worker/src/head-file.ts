/**
 * The newest journal head this worker has seen, kept over restarts: a broker that comes back with a shorter journal is
 * noticed by every worker that remembers a longer one.
 */
import { type JournalHead, journalHeadSchema } from '@gryphgen/protocol';
import type { Log } from '@gryphgen/runtime';
import { KeptFile } from './kept-file.ts';

export class HeadFile {
  private readonly file: KeptFile;
  private readonly log: Log;
  private head: JournalHead | null = null;

  constructor(path: string, log: Log) {
    this.log = log;
    this.file = new KeptFile(path, {
      text: () => JSON.stringify(this.head),
      // A witness that forgets is a pity, not a reason to stop working.
      onProblem: (error) => log.warn({ err: error }, 'the journal head cannot be remembered'),
    });
  }

  get latest(): JournalHead | null {
    return this.head;
  }

  async load(): Promise<void> {
    const { path } = this.file;
    try {
      const text = await this.file.read();
      if (text === null) return;
      const parsed = journalHeadSchema.safeParse(JSON.parse(text));
      if (parsed.success) this.head = parsed.data;
      else this.log.warn({ path }, 'the remembered journal head makes no sense and is not used');
    } catch (error) {
      this.log.warn({ err: error }, 'the remembered journal head cannot be read');
    }
  }

  save(head: JournalHead): void {
    if (head.seq === this.head?.seq && head.digest === this.head.digest) return;
    this.head = head;
    this.file.save();
  }

  close(): Promise<void> {
    return this.file.close();
  }
}
