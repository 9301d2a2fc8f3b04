/** SYMORG as what a worker answers tasks by: `ingest` and `retrieve`. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import {
  type Failure,
  failure,
  type IngestBody,
  ingestBodySchema,
  type RetrieveBody,
  readBody,
  retrieveBodySchema,
  type ShardHold,
  shardsLabel,
} from '@gryphgen/protocol';
import { filesOfShard, type RetrievalService, type SourceFile, unitOf } from '@gryphgen/retrieval';
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
  const labels = (): Record<string, string> => ({
    [shardsLabel.name]: shardsLabel.value,
    ...opened?.shards.labels(),
  });
  return [
    {
      kind: 'ingest',
      hasLog: true,
      ready,
      read: (body) => readBody(ingestBodySchema, body),
      filesOf: (body) => (body.op === 'sync' ? { inputs: body.inputs } : {}),
      answer: async ({ body: asked, given, signal, tell, principal, byAdmin, shard }) => {
        const service = await opening;
        const body = ofUnit(asked, shard);
        const asker = { principal, byAdmin };
        const shows = (collection: string) => service.access.mayRead(asker, collection);
        const changed = async () => {
          const why = shard && (await service.shards.hold(body.collection, shard.epoch));
          if (why !== undefined) return why;
          switch (body.op) {
            case 'sync': {
              const { collection, source, revision } = body;
              const files = filesOfShard(source, given.flatMap(filesOf), shard);
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
              if ((shard?.of ?? 1) > 1) return parted(asked.collection);
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
      answer: async ({ body: given, principal, byAdmin, shard }) => {
        const service = await opening;
        const body = 'collection' in given ? ofUnit(given, shard) : given;
        const asker = { principal, byAdmin };
        const shows = (collection: string) => service.access.mayRead(asker, collection);
        const asked = async () => {
          const why = shard && 'collection' in body && service.shards.stale(body.collection, shard.epoch);
          if (why) return why;
          switch (body.op) {
            case 'query':
              return await service.query(body, resultBytes);
            case 'statistics':
              return await service.statistics(body);
            case 'candidates':
              return await service.candidates(body);
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

/** The same, about what is here of the collection. */
function ofUnit<B extends { readonly collection: string }>(body: B, shard: ShardHold | undefined): B {
  const unit = unitOf(body.collection, shard);
  return unit === body.collection ? body : { ...body, collection: unit };
}

function parted(collection: string): Failure {
  return failure(
    'rejected.invalid',
    `${collection} has several shards, which would have other pseudonyms each: expected one shard of what is redacted`,
  );
}

function encoded(answer: object | Failure): Uint8Array | Failure {
  return 'code' in answer ? (answer as Failure) : new TextEncoder().encode(JSON.stringify(answer));
}
