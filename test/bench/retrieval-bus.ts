/**
 * Retrieval as people have it, over the bus: from files on the disk to what is answered, by way of the grid's artifacts and a task; and
 * how long a question takes among many passages, beside a no-op task of the same client.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  bringArtifact,
  type Client,
  ingested,
  ingestTask,
  prepareTask,
  queryCollection,
} from '@gryphgen/client';
import type { IngestResult } from '@gryphgen/protocol';
import { scanPath } from '@gryphgen/runtime';
import { BenchGrid } from './bench-grid.ts';
import type { Benchmark } from './benchmark.ts';
import { type GluedFile, glued } from './glued-files.ts';
import {
  collectionsFolder,
  cosqaDocuments,
  cosqaQueries,
  cranfieldDocuments,
  cranfieldQueries,
  type JudgedDocument,
} from './retrieval-collections.ts';
import { comparedRow, type Row, row } from './row.ts';
import { percentile } from './statistics.ts';

/** Of one file of many passages. */
const sections = 200;
/** Asked before measuring. */
const warmUp = 50;
const many = 'many';
const noop = prepareTask({ kind: 'noop', resources: { cpuMilli: 0, memoryBytes: 0, diskBytes: 0 } });

export const retrievalBus: Benchmark = {
  name: 'retrieval-bus',
  about: 'ingest and questions over the bus: files, artifacts, tasks',
  async run({ scale, say, ...setting }) {
    if (collectionsFolder === undefined) {
      say('left out: there is no ../shared/data/retrieval');
      return [];
    }
    const grid = await BenchGrid.start(
      { scale, say, ...setting },
      { workers: 1, clients: 1, retrieval: true },
    );
    try {
      const client = await grid.client();
      try {
        const [text, code] = [cranfieldDocuments(), cosqaDocuments()];
        const folder = (name: string) => join(grid.home, 'files', name);
        const rate = async (name: string, files: readonly GluedFile[]): Promise<Row> => {
          const bytes = written(folder(name), files);
          const begunMs = performance.now();
          await brought(client, name, folder(name));
          return row(`retrieval.bus.ingest.${name}`, bytes / 1000 / (performance.now() - begunMs), 'MB/s');
        };
        const rows = [
          await rate('text', glued(text, 10, 'txt', scale.ingestedBytes)),
          await rate('code', glued(code, 20, 'py', scale.ingestedBytes)),
        ];
        say('retrieval-bus: questions');
        written(folder(many), manyPassages([...text, ...code], scale.passages));
        await brought(client, many, folder(many));
        return [...rows, ...(await questions(client, scale.passages))];
      } finally {
        await client.close();
      }
    } finally {
      await grid.stop();
    }
  },
};

function written(folder: string, files: readonly GluedFile[]): number {
  for (const { path, bytes } of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), bytes);
  }
  return files.reduce((sum, { bytes }) => sum + bytes.byteLength, 0);
}

/** As `grid rag add` does. */
async function brought(client: Client, collection: string, folder: string): Promise<IngestResult> {
  const found = await scanPath(folder);
  if ('code' in found) throw new Error(found.message);
  await bringArtifact(client, found);
  await client.request('placeCollection', { name: collection });
  const { digest, bytes } = found.manifest;
  const source = { machine: 'bench', path: folder };
  const inputs = [{ digest, bytes, to: '/in' }];
  const outcome = await client.submit(ingestTask({ op: 'sync', collection, source, inputs })).finished;
  if (outcome.failure !== null) throw new Error(outcome.failure.message);
  const result = ingested(outcome);
  if (result.failedFiles > 0) throw new Error(`${result.failedFiles} files were not read`);
  return result;
}

/** Each below a heading of its own, so that none is joined with the next; no two are the same. */
function manyPassages(documents: readonly JudgedDocument[], count: number): readonly GluedFile[] {
  const half = (at: number) =>
    documents[at % documents.length]?.text.slice(0, 500).replace(/\s+/g, ' ') ?? '';
  const files: GluedFile[] = [];
  for (let from = 0; from < count; from += sections) {
    const parts = Array.from({ length: Math.min(sections, count - from) }, (_, at) => {
      const n = from + at;
      return `# N${n}\n\n${half(n)} ${half(n * 31 + Math.floor(n / documents.length))}\n`;
    });
    files.push({ path: `${from}.md`, bytes: Buffer.from(parts.join('\n')) });
  }
  return files;
}

async function questions(client: Client, passages: number): Promise<Row[]> {
  const all = [...cranfieldQueries().queries.values(), ...cosqaQueries('dev').queries.values()];
  const asked = all.slice(0, passages);
  const timed = async (work: () => Promise<unknown>): Promise<number> => {
    const begunMs = performance.now();
    await work();
    return performance.now() - begunMs;
  };
  const [questionMs, taskMs]: [number[], number[]] = [[], []];
  for (const text of [...asked.slice(0, warmUp), ...asked]) {
    const query = { collection: many, text, count: 10, of: 'passages' } as const;
    questionMs.push(await timed(() => queryCollection(client, query)));
    taskMs.push(await timed(() => client.submit(noop).finished));
  }
  const [warm, tasks] = [questionMs.slice(warmUp), taskMs.slice(warmUp)];
  const task = { name: 'retrieval.bus.task.p50', value: percentile(tasks, 0.5) };
  return [
    row(task.name, task.value, 'ms'),
    comparedRow(`retrieval.bus.${passages}.query.p50`, percentile(warm, 0.5), 'ms', task),
    row(`retrieval.bus.${passages}.query.p99`, percentile(warm, 0.99), 'ms'),
  ];
}
