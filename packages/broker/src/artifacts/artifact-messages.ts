/** What the broker and the process of its artifacts say to each other, over the channel between them. */

import type { KeptLogBounds } from './kept-logs.ts';

export interface BeginArtifacts {
  readonly kind: 'begin';
  readonly folder: string;
  readonly endpoints: readonly string[];
  /** `auto`: by the size of the disk. */
  readonly budgetBytes: number | 'auto';
  /** Those that nobody used for so long go; absent: they stay while there is room. */
  readonly artifactsAgeMs?: number;
  readonly logs: KeptLogBounds;
  /** What a principal may have stored, those first that are named; null: as much as there is room for. */
  readonly mostStored: {
    readonly named: Readonly<Record<string, number | null>>;
    readonly everybody: number | null;
  };
  readonly grid: string;
  readonly brokerKey: string;
  readonly curve: { readonly publicKey: string; readonly secretKey: string };
  /** The wall clock by which the broker's grants expire. */
  readonly wallMs: number;
}

export type ToArtifacts =
  | BeginArtifacts
  /** Of those asked for with this number. */
  | { readonly kind: 'held'; readonly id: number; readonly held: readonly string[] }
  /** Whose grants are void, all of them. */
  | { readonly kind: 'revoked'; readonly principals: readonly string[] };

export type FromArtifacts =
  | { readonly kind: 'ready'; readonly endpoints: readonly string[] }
  /** It cannot begin. */
  | { readonly kind: 'failed'; readonly words: string }
  /** Which of these do tasks need that have not ended? */
  | { readonly kind: 'asksHeld'; readonly id: number; readonly artifacts: readonly string[] }
  /** Which workers are connected to the relay, all of them. */
  | { readonly kind: 'relayed'; readonly workers: readonly string[] }
  /** `stored`: the bytes of each principal that has any. */
  | {
      readonly kind: 'counters';
      readonly counters: Readonly<Record<string, number>>;
      readonly stored: Readonly<Record<string, number>>;
    };
