/** Where sources come from: a folder, a repository at a revision. */
import type { SealedPseudonym } from '../store/store.ts';

export interface OriginFile {
  /** The same for the same file at every sync. */
  readonly key: string;
  readonly path: string;
  readonly revision?: string;
  /** Of its content, where that is known without reading it: what is as before is not read. */
  readonly hash?: string;
  /** In its name, where that was redacted. */
  readonly pseudonyms?: readonly SealedPseudonym[];
  /** Why what is there cannot even be listed, such as a folder without permission. */
  readonly unreadable?: string;
}

export type OriginRead =
  | { readonly kind: 'read'; readonly bytes: Uint8Array }
  | { readonly kind: 'failed'; readonly cause: string }
  /** It went away after it was listed. */
  | { readonly kind: 'gone' };

export interface Origin {
  /** Throws when the whole of it is not there. */
  list(): AsyncIterable<OriginFile>;
  read(key: string): Promise<OriginRead>;
}
