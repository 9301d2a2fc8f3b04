/** Fills a store until it is killed: `node store-killed.mjs PATH`. Says what is acknowledged. */
import { openSqliteStore } from '@gryphgen/retrieval';
import { changesOf } from './store-filling.mjs';

const store = await openSqliteStore({ path: process.argv[2] });
for (let n = (await store.sources('c')).length; ; n += 1) {
  await store.apply('c', changesOf(n));
  process.send(n);
}
