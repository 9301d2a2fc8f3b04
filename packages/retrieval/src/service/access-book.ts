/**
 * Whose collections are, and who may ask them: each task is held against that before the service does anything of it (E36).
 *
 * 1. Changes are judged in their turn, one after the other, as they are made: what was allowed is still so when it is done.
 * 2. A collection is whose who began it. What one may not ask is in no list, and named in no answer.
 */
import {
  type AccessResult,
  type Failure,
  failure,
  type IngestBody,
  type RetrieveBody,
  type ShardHold,
} from '@gryphgen/protocol';
import { type Asker, may, needOf } from '../core/access/rights.ts';
import { unknown } from './refusals.ts';
import type { Roots } from './roots.ts';
import { shardOfUnit } from './shard-units.ts';

type Setting = Extract<IngestBody, { op: 'access' }>;

export class AccessBook {
  private readonly roots: Roots;
  private last: Promise<unknown> = Promise.resolve();

  constructor(roots: Roots) {
    this.roots = roots;
  }

  /** `work` is done in its turn, unless it is refused. */
  change<T>(asker: Asker, body: IngestBody, work: () => Promise<T>): Promise<T | Failure> {
    return this.inTurn(async () => this.refusal(asker, body) ?? (await work()));
  }

  /** Between two changes, whoever's. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.last.then(work);
    this.last = done.catch(() => undefined);
    return done;
  }

  async ask<T>(asker: Asker, body: RetrieveBody, work: () => Promise<T>): Promise<T | Failure> {
    return this.refusal(asker, body) ?? (await work());
  }

  /**
   * Why the asker may not begin what is not here of a collection: one that is parted, or that was lost with its machine, is
   * whom the broker names.
   */
  mayBegin({ principal, byAdmin }: Asker, unit: string, shard: ShardHold | undefined): Failure | undefined {
    const { of = 1, epoch = 1, by = '' } = shard ?? {};
    const isFirst = of === 1 && epoch === 1;
    if (isFirst || byAdmin || this.roots.names.includes(unit) || (by !== '' && by === principal))
      return undefined;
    const whose = by === '' ? 'an admin' : `${by}, whose it is, or an admin`;
    return failure('rejected.forbidden', `${unit} is begun again by ${whose}`);
  }

  mayRead(asker: Asker, collection: string): boolean {
    const access = this.roots.accessOf(collection);
    return access !== undefined && may(asker, 'read', access);
  }

  async set({ collection, readers, owner }: Setting): Promise<AccessResult | Failure> {
    const before = this.roots.accessOf(collection);
    if (before === undefined) return unknown(collection);
    const next = { owner: owner ?? before.owner, readers: readers ?? before.readers };
    await this.roots.allow(collection, next);
    return next;
  }

  /** What is not there is refused by what looks for it, or begun. */
  private refusal(asker: Asker, body: IngestBody | RetrieveBody): Failure | undefined {
    const need = needOf(body);
    if (need === null || !('collection' in body)) return undefined;
    const access = this.roots.accessOf(body.collection);
    if (access === undefined || may(asker, need, access)) return undefined;
    const { collection } = shardOfUnit(body.collection);
    const who = asker.principal ?? 'whom the broker does not name: it is older than this worker';
    const others = access.owner === null ? 'an admin' : `its owner, ${access.owner}, or an admin`;
    return failure(
      'rejected.forbidden',
      need === 'read'
        ? `${collection} is not for ${who}: ${others} says who may ask it ("grid rag access ${collection} --readers …")`
        : `${collection} is not changed by ${who}, expected ${others}`,
    );
  }
}
