/** Keys that were let in once and are not to be any more, so that nobody lets them in again by starting the broker anew. */
import type { PrincipalId } from '@gryphgen/protocol';
import { principalIdOf } from './keys.ts';

export interface RevokedKey {
  readonly key: string;
  readonly name: string;
}

export class RevokedKeys {
  /** Names by key, oldest first. */
  private readonly names = new Map<string, string>();
  private readonly most: number;
  private ids: readonly PrincipalId[] | undefined;

  /** Of more than `most` the oldest are forgotten. */
  constructor(most: number) {
    this.most = most;
  }

  has(key: string): boolean {
    return this.names.has(key);
  }

  add({ key, name }: RevokedKey): void {
    this.names.set(key, name);
    for (const oldest of this.names.keys()) {
      if (this.names.size <= this.most) break;
      this.names.delete(oldest);
    }
    this.ids = undefined;
  }

  delete(key: string): void {
    this.names.delete(key);
    this.ids = undefined;
  }

  /** Oldest first. */
  list(): readonly RevokedKey[] {
    return [...this.names].map(([key, name]) => ({ key, name }));
  }

  /** Whose they were, oldest first. */
  principals(): readonly PrincipalId[] {
    this.ids ??= [...this.names.keys()].map(principalIdOf);
    return this.ids;
  }
}
