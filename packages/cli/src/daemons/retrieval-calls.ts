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
      answer: async ({ body, given, signal, tell, principal, byAdmin }) => {
        const service = await opening;
        const asker = { principal, byAdmin };
        const shows = (collection: string) => service.access.mayRead(asker, collection);
        const changed = async () => {
          switch (body.op) {
            case 'sync': {
              const files = given.flatMap(filesOf);
              const { collection, source, revision } = body;
              const mustRedact = body.redacted === true;
              const ingesting = { signal, tell, owner: principal, mustRedact };
              return await service.sync(collection, source, files, ingesting, revision);
            }
            case 'remove':
              return await service.remove(body.collection, body.source);
            case 'feedback':
              return await service.feedback(body);
            case 'weights':
              return await service.weights(body);
            case 'embed':
              return await service.embedBy(body);
            case 'vectors':
              return await service.addVectors(body);
            case 'redact':
              return await service.redact(body, principal);
            case 'access':
              return await service.access.set(body);
            case 'forget':
              return await service.forget(body.collection, body.subject, shows);
            default:
              return body satisfies never;
          }
        };
        return encoded(await service.access.change<object>(asker, body, changed));
      },
      labels,
    },
    {
      kind: 'retrieve',
      hasLog: false,
      ready,
      read: (body) => readBody(retrieveBodySchema, body),
      filesOf: () => ({}),
      answer: async ({ body, principal, byAdmin }) => {
        const service = await opening;
        const asker = { principal, byAdmin };
        const shows = (collection: string) => service.access.mayRead(asker, collection);
        const asked = async () => {
          switch (body.op) {
            case 'query':
              return await service.query(body, resultBytes);
            case 'unembedded':
              return await service.unembedded(body.collection, body.after, resultBytes);
            case 'list':
              return await service.list(resultBytes, shows);
            case 'weights':
              return await service.learned(body.collection);
            case 'reveal':
              return await service.reveal(body, resultBytes);
            default:
              return body satisfies never;
          }
        };
        return encoded(await service.access.ask<object>(asker, body, asked));
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
