/** Answers to who asks for a transfer: where it goes, and by which grant. */

/** What a grant permits. */
export const transferOps = [
  'logs',
  'exec',
  'image',
  'fetch',
  'store',
  'keepLogs',
  'answers',
  'relay',
] as const;
export type TransferOp = (typeof transferOps)[number];

/** Where a worker's data endpoint is, and the broker's permission for one transfer there. */
export interface PlaceGrantDocument {
  /** '': it cannot be connected to. */
  readonly endpoint: string;
  readonly dataKey: string;
  readonly grant: string;
  /** Where else the worker is had with the same grant (E35). Older brokers have none. */
  readonly relay?: RelayDocument;
}

/** The same for an attempt: its log can be read there, or a command run beside it. */
export interface GrantDocument extends PlaceGrantDocument {
  readonly attempt: number;
  /** Of a log: where it is kept when the worker is gone, with the same grant. `endpoint` '': it is to be had there alone. */
  readonly beside?: BesideBroker;
}

/** What listens beside the broker; `*` is the host by which the broker is reached. */
export interface BesideBroker {
  readonly endpoints: readonly string[];
  readonly dataKey: string;
}

/** A worker that is connected to the relay beside the broker. */
export interface RelayDocument extends BesideBroker {
  /** Its id. */
  readonly worker: string;
}

/** Where an artifact can be brought or had, with one grant for all of them. */
export interface ArtifactGrantDocument {
  readonly grant: string;
  /** Those that have it, or had it not long ago. */
  readonly workers: readonly DataPlaceDocument[];
  /** The names of such that are not connected now; absent: none. */
  readonly away?: readonly string[];
  /** The ids of those that are had through the relay, too, which is where the store is. Older brokers tell none. */
  readonly relayed?: readonly string[];
  /** Null where it is not there, or keeps none. */
  readonly broker: BesideBroker | null;
}

/** Where a worker may bring logs, or is relayed. */
export interface KeepGrantDocument {
  readonly grant: string;
  readonly broker: BesideBroker;
}

export type DataPlaceDocument = Pick<PlaceGrantDocument, 'endpoint' | 'dataKey'>;
