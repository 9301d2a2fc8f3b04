/**
 * Whether what is asked on a data endpoint is permitted: the broker's signature, for this and no other transfer, in time.
 *
 * 1. Each connection may ask `maxAsked` times: a look at a grant costs a signature's check.
 * 2. A grant is good once, but for those that only read: `logs`, `fetch`, `answers`. Those used are remembered until they expire; when there are too many, none is
 *    taken, rather than one twice.
 * 3. A grant for somebody who has been revoked since, or asked for by such a delegate, is void (E27).
 */
import { type Failure, failure } from '@gryphgen/protocol';
import type { OpenRequest } from './data-wire.ts';
import { type Grant, readGrant } from './grant.ts';
import type { JoinRequest } from './relay/relay-wire.ts';

/** Our own client asks once. */
const maxAsked = 8;
/** Connections whose questions are counted, at most: nothing tells that one is gone. */
const maxCounted = 4096;
/** A person types no faster; scripts are told. */
const maxUsed = 4096;

export interface GrantCheckOptions {
  readonly grid: string;
  /** Whose endpoint this is: its worker's id. */
  readonly worker: string;
  /** Whose grants count: the broker's Ed25519 key. */
  readonly brokerKey: () => string;
  /** The broker's wall clock, ms: what its grants expire by. */
  readonly brokerWall: () => number;
}

export class GrantCheck {
  private readonly options: GrantCheckOptions;
  /** By connection, the one that first asked longest ago first. */
  private readonly asked = new Map<string, number>();
  /** By id, when it expires; the one used longest ago first. */
  private readonly used = new Map<string, number>();
  private revoked: ReadonlySet<string> = new Set();

  constructor(options: GrantCheckOptions) {
    this.options = options;
  }

  /** The grant, or why it is none. `worker`: at which it is asked. */
  judge(
    peer: string,
    request: OpenRequest | JoinRequest,
    worker: string = this.options.worker,
  ): Grant | Failure {
    if (!this.mayAsk(peer)) {
      const words = `this connection has asked ${maxAsked} times, no more are answered: open another`;
      return failure('rejected.limit', words);
    }
    const { grid, brokerKey, brokerWall } = this.options;
    const grant = readGrant(request.grant, brokerKey());
    if (grant?.grid !== grid || grant.op !== request.kind || !isAbout(grant, request, worker))
      return failure('rejected.forbidden', `this grant is not good for ${whatOf[request.kind]}`);
    const pastMs = brokerWall() - grant.expiresAt;
    if (pastMs > 0) {
      const words = `this grant was good until ${Math.ceil(pastMs / 1000)} s ago, by the broker's clock: ask for a new one`;
      return failure('rejected.forbidden', words);
    }
    return this.isVoid(grant) ? revokedFailure : grant;
  }

  /** All whose grants are void from now on. */
  revoke(principals: readonly string[]): void {
    this.revoked = new Set(principals);
  }

  isVoid({ principal = '', by = '' }: Grant): boolean {
    return this.revoked.has(principal) || this.revoked.has(by);
  }

  /** Why the grant cannot be used, if it cannot; from now on it counts as used. */
  use({ id, expiresAt }: Grant): Failure | undefined {
    if (id === undefined || this.used.has(id))
      return failure('rejected.forbidden', 'this grant was used before: ask for a new one');
    const now = this.options.brokerWall();
    for (const [old, expired] of this.used) {
      if (expired >= now) break;
      this.used.delete(old);
    }
    if (this.used.size >= maxUsed)
      return failure('rejected.limit', `${maxUsed} transfers were begun within a minute: try again later`);
    this.used.set(id, expiresAt);
    return undefined;
  }

  private mayAsk(peer: string): boolean {
    const asked = this.asked.get(peer) ?? 0;
    if (asked >= maxAsked) return false;
    this.asked.set(peer, asked + 1);
    const [oldest] = this.asked.size > maxCounted ? this.asked.keys() : [];
    if (oldest !== undefined) this.asked.delete(oldest);
    return true;
  }
}

function isAbout(grant: Grant, request: OpenRequest | JoinRequest, worker: string): boolean {
  if (request.kind === 'image') return grant.worker === worker;
  if (request.kind === 'answers') return grant.worker === worker && grant.principal !== undefined;
  if (request.kind === 'keepLogs' || request.kind === 'relay') return grant.worker !== undefined;
  if (request.kind === 'fetch' || request.kind === 'store') return grant.artifact === request.artifact;
  return grant.task === request.task && grant.attempt === request.attempt;
}

export const revokedFailure = failure(
  'rejected.forbidden',
  'whoever this grant was made for has been revoked',
);

const whatOf = {
  logs: 'that log',
  exec: 'that task',
  image: 'this worker',
  fetch: 'that artifact',
  store: 'that artifact',
  keepLogs: 'logs',
  answers: 'answers of this worker',
  relay: 'a place at the relay',
} as const;
