// Files brought to a collection that keeps no addresses and numbers, and a question to it, from a program:
//   node docs/examples/collection.mjs letters ./letters "who is late?"
// in the checkout, with a grid up. All of it are tasks: `ingest` changes a collection, `retrieve` asks it.
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { bringArtifact, connect, ingested, ingestTask, queryCollection, revealText } from '@gryphgen/client';
import { scanPath } from '@gryphgen/runtime';

const [collection = 'letters', path = 'letters', text = 'who is late?'] = process.argv.slice(2);
const client = await connect();
try {
  await ingest({ op: 'redact', collection, kinds: ['email', 'phone'] });
  const found = await scanPath(resolve(path));
  if ('code' in found) throw new Error(found.message);
  await bringArtifact(client, found); // only what the grid has not
  const { digest, bytes } = found.manifest;
  const source = { machine: hostname(), path: resolve(path) };
  const { added, changed, unchanged } = ingested(
    await ingest({ op: 'sync', collection, source, inputs: [{ digest, bytes, to: '/in' }], redacted: true }),
  );
  console.log(`${added + changed} read, ${unchanged} as before`);
  const { results, missing = [] } = await queryCollection(client, {
    collection,
    text,
    count: 3,
    of: 'passages',
  });
  // Of a collection in several shards: those that did not answer.
  for (const { number, why } of missing) console.error(`partial, without shard ${number}: ${why}`);
  for (const { source, lines, text } of results) console.log(`${source}:${lines.join('-')}\n${text}`);
  // For the collection's owner and admins: whom the pseudonyms stand for.
  if (results.length > 0) console.log((await revealText(client, collection, results[0].text)).text);
} finally {
  await client.close();
}

async function ingest(body) {
  // To the worker that owns the collection; of a new one the broker says which does.
  await client.request('placeCollection', { name: collection });
  const outcome = await client.submit(ingestTask(body)).finished;
  if (outcome.failure !== null) throw new Error(outcome.failure.message);
  return outcome;
}
