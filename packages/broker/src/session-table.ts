/**
 * The open sessions, found by id, by connection, and by what there may be one of (E2). A connection has at most one.
 */
import type { PrincipalId, SessionId } from '@gryphgen/protocol';
import type { PeerKey } from '@gryphgen/runtime';
import type { CreditAccount } from './credit-account.ts';

export interface Session {
  readonly id: SessionId;
  readonly peer: PeerKey;
  readonly key: string;
  readonly principal: PrincipalId;
  /** What there is one of: the worker's key or, within its key, the client process. */
  readonly sole: string;
  readonly credit: CreditAccount;
  /** On the watch clock. */
  heardAt: number;
}

export class SessionTable {
  private readonly byId = new Map<string, Session>();
  private readonly byPeer = new Map<PeerKey, Session>();
  private readonly bySole = new Map<string, Session>();
  private readonly counts = new Map<string, number>();

  get size(): number {
    return this.byId.size;
  }

  all(): readonly Session[] {
    return [...this.byId.values()];
  }

  find(id: string): Session | undefined {
    return this.byId.get(id);
  }

  at(peer: PeerKey): Session | undefined {
    return this.byPeer.get(peer);
  }

  holding(sole: string): Session | undefined {
    return this.bySole.get(sole);
  }

  /** Sessions of a key. */
  countOf(key: string): number {
    return this.counts.get(key) ?? 0;
  }

  /** Whatever held its connection or its `sole` has been removed before. */
  add(session: Session): void {
    this.byId.set(session.id, session);
    this.byPeer.set(session.peer, session);
    this.bySole.set(session.sole, session);
    this.counts.set(session.key, this.countOf(session.key) + 1);
  }

  remove(session: Session): void {
    if (!this.byId.delete(session.id)) return;
    this.byPeer.delete(session.peer);
    this.bySole.delete(session.sole);
    const left = this.countOf(session.key) - 1;
    if (left > 0) this.counts.set(session.key, left);
    else this.counts.delete(session.key);
  }
}
