/** SYMORG as what a worker answers tasks by: `ingest` and `retrieve`. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import {
  type Failure,
  failure,
  type IngestBody,
  ingestBodySchema,
  type LeasedShard,
  type PrincipalId,
  type QueryResult,
  type RetrieveBody,
  readBody,
  retrieveBodySchema,
  shardsLabel,
} from '@gryphgen/protocol';
import {
  type Beginning,
  filesOfShard,
  type RetrievalService,
  type SourceFile,
  unitOf,
} from '@gryphgen/retrieval';
import { type Call, type Given, resultBytes } from '@gryphgen/worker';
import { carried, isCarrying } from './carry-copies.ts';

type Changes<O extends IngestBody['op']> = Extract<IngestBody, { op: O }>;

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
      filesOf: ({ op, ...body }) => ({
        ...('inputs' in body && { inputs: body.inputs }),
        ...('outputs' in body && { outputs: body.outputs }),
      }),
      answer: async ({ body: asked, given, signal, leave, tell, principal, byAdmin, shard }) => {
        const service = await opening;
        const wrong = ofAnother(asked, shard);
        if (wrong !== undefined) return wrong;
        const body = ofUnit(asked, shard);
        const asker = { principal, byAdmin };
        const shows = (collection: string) => service.access.mayRead(asker, collection);
        if (isCarrying(body)) return encoded(await carried(service, body, { shard, given, signal, leave }));
        const changed = async () => {
          const { collection } = body;
          const why = await refused(service, body, shard);
          if (why !== undefined) return why;
          const first = beginning(shard, principal);
          const beginsNot = service.access.mayBegin(asker, collection, shard);
          switch (body.op) {
            case 'sync': {
              if (beginsNot !== undefined) return beginsNot;
              const { source, revision, file } = body;
              const files = filesOfShard(source, given.flatMap(filesOf), shard);
              const mustRedact = body.redacted === true;
              const ingesting = { signal, tell, ...first, mustRedact, file };
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
              return renumbered(body, shard) ?? (await service.addVectors(body));
            case 'redact':
              if ((shard?.of ?? 1) > 1) return parted(asked.collection);
              if (beginsNot !== undefined) return beginsNot;
              return await service.redact(body, first);
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
      shards: () => opened && { copyKey: opened.copies.keyName, shards: opened.shards.told() },
    },
    {
      kind: 'retrieve',
      hasLog: false,
      ready,
      read: (body) => readBody(retrieveBodySchema, body),
      filesOf: () => ({}),
      answer: async ({ body: given, principal, byAdmin, shard }) => {
        const service = await opening;
        const wrong = ofAnother(given, shard);
        if (wrong !== undefined) return wrong;
        const body = 'collection' in given ? ofUnit(given, shard) : given;
        const asker = { principal, byAdmin };
        const shows = (collection: string) => service.access.mayRead(asker, collection);
        const asked = async () => {
          const held = 'collection' in body ? standing(service, body.collection, shard) : upToDate;
          if ('code' in held) return held;
          switch (body.op) {
            case 'query':
              return {
                ...(await service.query(body, resultBytes - (held.behind ? asideBytes : 0))),
                ...held,
              };
            case 'statistics':
              return await service.statistics(body);
            case 'candidates':
              return await service.candidates(body);
            case 'unembedded': {
              const lacking = await service.unembedded(body.collection, body.after, resultBytes - asideBytes);
              return 'code' in lacking || shard === undefined ? lacking : { ...lacking, epoch: shard.epoch };
            }
            case 'list':
              return await service.list(resultBytes, shows);
            case 'failed':
              return await service.failed(body, resultBytes);
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

/** Room for what an answer says beside passages: that it is behind, whose their numbers are. */
const asideBytes = 64;
const upToDate: Pick<QueryResult, 'behind'> = {};

/** Why it is not asked here, or by how much what is here is behind. */
function standing(
  service: RetrievalService,
  unit: string,
  shard: LeasedShard | undefined,
): Failure | Pick<QueryResult, 'behind'> {
  if (shard === undefined) return upToDate;
  if (shard.copies?.isCopy !== true) return service.shards.stale(unit, shard) ?? upToDate;
  const copied = service.shards.copied(unit, shard);
  if ('code' in copied) return copied;
  return copied.version < copied.of ? { behind: copied } : upToDate;
}

/** A copy took its owner's place since: its passages have other numbers. */
function renumbered(
  { epoch, collection }: Changes<'vectors'>,
  shard: LeasedShard | undefined,
): Failure | undefined {
  if (epoch === undefined || shard === undefined || epoch === shard.epoch) return undefined;
  return failure(
    'rejected.state',
    `${collection} has another owner since its passages were told, by which they are numbered: "grid rag sync ${collection}" goes on`,
  );
}

/**
 * Why it is not changed here. From a copy alone what is to be forgotten is taken out, and it is told who may ask it: the rest comes
 * to it from its owner.
 */
async function refused(
  service: RetrievalService,
  { op, collection }: IngestBody,
  shard: LeasedShard | undefined,
): Promise<Failure | undefined> {
  if (shard === undefined) return undefined;
  if (shard.copies?.isCopy !== true) return await service.shards.hold(collection, shard);
  if (op === 'forget' || op === 'access') return await service.shards.takeOut(collection, shard);
  return failure('rejected.state', `a copy of ${collection} is changed by what its owner has alone`);
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

/** The broker placed it for one collection; if its body names another, that may be somebody else's. */
function ofAnother(body: IngestBody | RetrieveBody, shard: LeasedShard | undefined): Failure | undefined {
  if (shard === undefined || ('collection' in body && body.collection === shard.collection)) return undefined;
  const named = 'collection' in body ? body.collection : 'none';
  return failure(
    'rejected.invalid',
    `the task is for ${shard.collection}, by its envelope, and its body names ${named}: expected the same`,
  );
}

/** Whose it is if it begins with this task: what begins again is told to nobody but its owner, until that one says so. */
function beginning(shard: LeasedShard | undefined, principal: PrincipalId | undefined): Beginning {
  const { of = 1, epoch = 1, by = '' } = shard ?? {};
  const owner = (of > 1 || epoch > 1) && by !== '' ? by : principal;
  return { owner, readers: epoch > 1 ? 'owner' : 'everyone' };
}

/** The same, about what is here of the collection. */
function ofUnit<B extends { readonly collection: string }>(body: B, shard: LeasedShard | undefined): B {
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
