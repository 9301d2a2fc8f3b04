/** Ingests until it is killed: `node retrieval-killed.mjs FOLDER ROUND`. Says which sources are done. */
import { join } from 'node:path';
import { RetrievalService } from '@gryphgen/retrieval';
import { sources, writeFiles } from './retrieval-filling.mjs';

const [, , folder, round] = process.argv;
const service = await RetrievalService.open(join(folder, 'kept'));
const ingesting = { signal: new AbortController().signal, tell: () => undefined };
for (let now = Number(round); ; now += 1)
  for (const source of sources) {
    const files = await writeFiles(join(folder, 'files'), source, now);
    await service.sync('c', source, files, ingesting);
    process.send(now);
  }
