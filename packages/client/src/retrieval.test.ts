/** What tasks about collections ask of a grid. */
import {
  encodeBody,
  formatTaskId,
  type IngestBody,
  readBody,
  retrieveBodySchema,
  type TaskId,
} from '@gryphgen/protocol';
import { expect, it } from 'vitest';
import type { RetrievalAsker } from './retrieval/ask-shard.ts';
import { ingestTask, listFailed } from './retrieval.ts';

const collection = 'docs';
const source = { machine: 'forge', path: '/docs' };
const given = { digest: `sha256:${'ab'.repeat(32)}`, bytes: 1, to: '/in' };
const changes: readonly IngestBody[] = [
  { op: 'sync', collection, source, inputs: [given] },
  { op: 'remove', collection },
  { op: 'redact', collection, kinds: ['email'] },
];

it.each(changes)('$op reserves nothing: idle models may hold all of the machine it is for', (body) => {
  expect(ingestTask(body).envelope).toMatchObject({
    resources: { cpuMilli: 0, memoryBytes: 0, diskBytes: 0 },
    shard: { collection: 'docs', index: 0 },
  });
});

/** A service that has these files, and of them so many in each answer. */
function failing(paths: readonly string[], each: number, total = paths.length): RetrievalAsker {
  const task = 7 as TaskId;
  return {
    request: async () => [],
    submit: ({ bodyBytes }) => {
      const body = readBody(retrieveBodySchema, bodyBytes);
      if (!body.ok || body.value.op !== 'failed') throw new Error('another question');
      const { skip } = body.value;
      const failed = paths
        .slice(skip, skip + each)
        .map((path) => ({ machine: 'forge', path, cause: 'noise' }));
      const result = encodeBody({ result: new TextEncoder().encode(JSON.stringify({ failed, total })) });
      const ended = { id: formatTaskId(task), task, state: 'succeeded', exitCode: 0, attempts: 1 } as const;
      return { finished: Promise.resolve({ ...ended, failure: null, result }) };
    },
  };
}

it('files that could not be read are asked for until all of them are told, or no more come', async () => {
  const paths = ['/a', '/b', '/c', '/d', '/e'];
  const { failed, total } = await listFailed(failing(paths, 2), 'docs');
  expect([failed.map(({ path }) => path), total]).toEqual([paths, 5]);
  const changed = await listFailed(failing(paths, 2, 9), 'docs');
  expect([changed.failed.length, changed.total]).toEqual([5, 9]);
  expect(await listFailed(failing([], 2), 'docs')).toEqual({ failed: [], total: 0 });
});
