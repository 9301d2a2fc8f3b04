/** A store whose process is killed at any moment is whole when it is opened again, with all that was acknowledged. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openSqliteStore, type SourceChange } from '@gryphgen/retrieval';
import { expect, it } from 'vitest';

const urlOf = (name: string) => new URL(name, import.meta.url);

it('killed six times while it writes and merges', { timeout: 120_000 }, async () => {
  const { changesOf } = (await import(urlOf('./store-filling.mjs').href)) as {
    changesOf: (n: number) => readonly SourceChange[];
  };
  const dir = mkdtempSync(join(tmpdir(), 'store-'));
  const path = join(dir, 'retrieval.db');
  let acknowledged = -1;
  for (let round = 0; round < 6; round += 1) {
    const child = fork(fileURLToPath(urlOf('./store-killed.mjs')), [path], { execArgv: [] });
    const ended = once(child, 'exit');
    const enough = acknowledged + 5 + round * 3;
    child.on('message', (n: number) => {
      acknowledged = n;
      if (n >= enough) child.kill('SIGKILL');
    });
    await ended;
  }
  const store = await openSqliteStore({ path });
  expect(await store.check()).toEqual([]);
  const { length: count } = await store.sources('c');
  // The one that was being written is there whole or not at all.
  expect([acknowledged + 1, acknowledged + 2]).toContain(count);

  await store.apply('anew', Array.from({ length: count }, (_, n) => changesOf(n)).flat());
  const found = async (collection: string, text: string) => {
    const passages = await store.search({ collections: [collection], text, limit: 1000 });
    return passages.map(({ source, seq, text, score }) => ({ key: source.key, seq, text, score }));
  };
  for (const text of ['word1 word7 word49', 'passage3', 'passage0 word21', 'k3']) {
    const expected = await found('anew', text);
    expect(expected.length).toBeGreaterThan(0);
    expect(await found('c', text)).toEqual(expected);
  }
  await store.close();
  rmSync(dir, { recursive: true });
});
