/** SYMORG as what a worker answers tasks by: `ingest` and `retrieve`. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import {
  collectionLabel,
  type Failure,
  type IngestBody,
  ingestBodySchema,
  type RetrieveBody,
  readBody,
  retrieveBodySchema,
} from '@gryphgen/protocol';
import type { RetrievalService, SourceFile } from '@gryphgen/retrieval';
import { type Call, type Given, resultBytes } from '@gryphgen/worker';

/** `opening`: rejects when its files cannot be used; then there is no retrieval here. */
export function retrievalCalls(
  opening: Promise<RetrievalService>,
): readonly [Call<IngestBody>, Call<RetrieveBody>] {
  let opened: RetrievalService | undefined;
  const ready = async (): Promise<boolean> => {
    opened = await opening;
    return true;
  };
  const labels = (): Record<string, string> =>
    Object.fromEntries((opened?.names ?? []).map((name) => [collectionLabel(name), 'here']));
  return [
    {
      kind: 'ingest',
      hasLog: true,
      ready,
      read: (body) => readBody(ingestBodySchema, body),
      filesOf: (body) => (body.op === 'sync' ? { inputs: body.inputs } : {}),
      answer: async ({ body, given, signal, tell }) => {
        const service = await opening;
        return encoded(
          body.op === 'sync'
            ? await service.sync(body.collection, body.source, given.flatMap(filesOf), { signal, tell })
            : await service.remove(body.collection, body.source),
        );
      },
      labels,
    },
    {
      kind: 'retrieve',
      hasLog: false,
      ready,
      read: (body) => readBody(retrieveBodySchema, body),
      filesOf: () => ({}),
      answer: async ({ body }) => {
        const service = await opening;
        return encoded(
          body.op === 'query' ? await service.query(body, resultBytes) : await service.list(resultBytes),
        );
      },
    },
  ];
}

/** Content is named by its chunks: what is as before need not be read. */
function filesOf({ path, manifest }: Given): readonly SourceFile[] {
  return manifest.entries.flatMap((entry) =>
    entry.kind === 'file'
      ? {
          path: entry.path,
          bytes: entry.bytes,
          hash: createHash('sha256').update(entry.chunks).digest('hex'),
          at: entry.path === '' ? path : join(path, entry.path),
        }
      : [],
  );
}

function encoded(answer: object | Failure): Uint8Array | Failure {
  return 'code' in answer ? (answer as Failure) : new TextEncoder().encode(JSON.stringify(answer));
}
