/** Ingests, with vectors, until it is killed: `node retrieval-killed.mjs FOLDER ROUND`. Says which sources are done. */
import { join } from 'node:path';
import { RetrievalService } from '@gryphgen/retrieval';
import { sources, writeFiles } from './retrieval-filling.mjs';

const [, , folder, round] = process.argv;
const service = await RetrievalService.open(join(folder, 'kept'));
const embedding = { model: 'words', digest: `sha256:${'0'.repeat(64)}`, dimension: 4 };
const ingesting = { signal: new AbortController().signal, tell: () => undefined };
for (let now = Number(round); ; now += 1)
  for (const source of sources) {
    const files = await writeFiles(join(folder, 'files'), source, now);
    await service.sync('c', source, files, ingesting);
    await service.embedBy({ op: 'embed', collection: 'c', embedding });
    const { passages } = await service.unembedded('c', 0, 1_000_000);
    const values = new Uint8Array(Float32Array.from(passages.flatMap(({ id }) => [id, 1, 2, 3])).buffer);
    const ids = passages.map(({ id }) => id);
    await service.addVectors({ op: 'vectors', collection: 'c', embedding, passages: ids, values });
    process.send(now);
  }
