/** What tasks about collections ask of a grid. */
import type { IngestBody } from '@gryphgen/protocol';
import { expect, it } from 'vitest';
import { ingestTask } from './retrieval.ts';

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
