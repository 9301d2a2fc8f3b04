/** What the worker and its process keeper say to each other over Node's IPC channel. `key` names an attempt. */
import type { Failure } from '@gryphgen/protocol';

export type ToKeeper =
  | {
      readonly kind: 'start';
      readonly key: string;
      readonly command: readonly string[];
      readonly env: Readonly<Record<string, string>>;
      readonly cwd: string;
      /** 0: no limit. */
      readonly memoryBytes: number;
    }
  | { readonly kind: 'stop'; readonly key: string; readonly graceMs: number }
  /** The last output of the attempt is in the log: send the next. */
  | { readonly kind: 'took'; readonly key: string };

export type FromKeeper =
  | { readonly kind: 'started'; readonly key: string }
  | { readonly kind: 'startFailed'; readonly key: string; readonly failure: Failure }
  | { readonly kind: 'output'; readonly key: string; readonly bytes: Uint8Array }
  /** All its output was sent. */
  | { readonly kind: 'exited'; readonly key: string; readonly exitCode: number; readonly stopped: boolean };
