/**
 * A small file that follows a state in memory.
 *
 * 1. One write at a time, off the loop; the newest state wins; the file is replaced atomically.
 * 2. What cannot be written is told, and tried again with the next change.
 */

import { readFile, rename, writeFile } from 'node:fs/promises';
import { isMissing } from '@gryphgen/runtime';

export interface KeptFileOptions {
  /** The state as it is now, as the file is to have it. */
  readonly text: () => string;
  readonly onProblem: (error: unknown) => void;
}

export class KeptFile {
  readonly path: string;
  private readonly options: KeptFileOptions;
  private isDirty = false;
  private writing: Promise<void> | null = null;

  constructor(path: string, options: KeptFileOptions) {
    this.path = path;
    this.options = options;
  }

  /** Null when there is none. Rejects with what the file system says. */
  async read(): Promise<string | null> {
    try {
      return await readFile(this.path, 'utf8');
    } catch (error) {
      if (isMissing(error)) return null;
      throw error;
    }
  }

  /** The state has changed. */
  save(): void {
    this.isDirty = true;
    this.writing ??= this.write().finally(() => {
      this.writing = null;
    });
  }

  async close(): Promise<void> {
    await this.writing;
  }

  private async write(): Promise<void> {
    while (this.isDirty) {
      this.isDirty = false;
      try {
        await writeFile(`${this.path}.new`, `${this.options.text()}\n`, { mode: 0o600, flush: true });
        await rename(`${this.path}.new`, this.path);
      } catch (error) {
        this.options.onProblem(error);
        return;
      }
    }
  }
}
