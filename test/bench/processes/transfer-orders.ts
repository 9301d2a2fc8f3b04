/** What a process that moves bytes is told to do, and what it answers. Travels over Node's IPC channel. */

export type TransferOrder =
  /** Takes what comes through a bare CURVE socket, and hashes it. */
  | { readonly kind: 'listen' }
  /** Sends a file's bytes to such a one. */
  | { readonly kind: 'pipe'; readonly file: string; readonly to: PipeEnd }
  /** Makes a file of random bytes an artifact of the grid. */
  | { readonly kind: 'bring'; readonly file: string; readonly home: string; readonly endpoint: string };

export interface PipeEnd {
  readonly endpoint: string;
  readonly curveKey: string;
}

export type TransferAnswer =
  | { readonly kind: 'ready' }
  | { readonly kind: 'listens'; readonly end: PipeEnd }
  | { readonly kind: 'moved'; readonly seconds: number }
  | { readonly kind: 'failed'; readonly message: string };
