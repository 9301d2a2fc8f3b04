/** For tests: folders that vanish, and things to wait for. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';

type Undo = () => void | Promise<void>;
const undos: Undo[] = [];

/** `undo` runs after the test, last first. */
export function afterTest(undo: Undo): void {
  undos.push(undo);
}

afterEach(async () => {
  for (const undo of undos.splice(0).reverse()) await undo();
});

export function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'gg-'));
  afterTest(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A list that can be waited for: `until` resolves as soon as the list fulfils it. */
export class Seen<T> {
  readonly all: T[] = [];
  private waiting: { readonly done: (all: readonly T[]) => boolean; readonly resolve: () => void }[] = [];

  add(item: T): void {
    this.all.push(item);
    this.waiting = this.waiting.filter(({ done, resolve }) => {
      if (!done(this.all)) return true;
      resolve();
      return false;
    });
  }

  until(done: (all: readonly T[]) => boolean): Promise<void> {
    if (done(this.all)) return Promise.resolve();
    return new Promise((resolve) => this.waiting.push({ done, resolve }));
  }
}
