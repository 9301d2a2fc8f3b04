/** What the journal's thread does when asked: one lock, one store. No thread in here, so that it can be tested without. */

import type { FolderLock } from '@gryphgen/runtime/folder-lock';
import { digestBytes, hex } from './digest-chain.ts';
import type { Finding, GroupRow, Witnessed } from './journal.ts';
import { JournalError } from './journal.ts';
import { lockJournal } from './lock.ts';
import { type OpenedStore, openStore } from './open-store.ts';
import type { JournalSettings } from './settings.ts';
import { failureOfWrite } from './sqlite-failure.ts';
import type { CompactionStep, Store } from './store.ts';

export interface OpenJournalArgs {
  readonly dir: string;
  readonly settings: JournalSettings;
  readonly program: string;
  readonly holder: string;
  readonly wallMs: number;
}

export interface OpenJournalReply {
  readonly path: string;
  readonly epoch: number;
  readonly head: { readonly seq: number; readonly digest: string };
  readonly snapshot: { readonly seq: number; readonly bytes: Uint8Array } | null;
  readonly tailGroups: number;
  readonly tailBytes: number;
  readonly findings: readonly Finding[];
}

/** One buffer: the records, then the blobs. */
export type AppendArgs = readonly [
  packed: Uint8Array,
  recordBytes: number,
  blobs: readonly (readonly [hash: string, length: number])[],
];

/** `hashes`: one after the other. */
export interface RemoveBlobsArgs extends CompactionStep {
  readonly hashes: Uint8Array;
  readonly seq: number;
}

export class JournalOperations {
  #lock: FolderLock | undefined;
  #store: Store | undefined;

  /** The answered epoch is durable. */
  open(args: OpenJournalArgs): OpenJournalReply {
    let opened: OpenedStore;
    try {
      this.#lock = lockJournal(args.dir, args.holder);
      opened = openStore(args);
    } catch (error) {
      this.#lock?.release();
      throw failureOfWrite(error, args.dir);
    }
    const { store, path, snapshot, tailGroups, tailBytes, findings } = opened;
    this.#store = store;
    return {
      path,
      epoch: store.epoch,
      head: { seq: store.head.seq, digest: hex(store.head.digest) },
      snapshot: snapshot === undefined ? null : { seq: snapshot.seq, bytes: snapshot.state },
      tailGroups,
      tailBytes,
      findings,
    };
  }

  append([packed, recordBytes, blobs]: AppendArgs): [seq: number, digest: string] {
    let at = recordBytes;
    const unpacked = blobs.map(([hash, length]) => {
      at += length;
      return { hash: Buffer.from(hash, 'hex'), bytes: packed.subarray(at - length, at) };
    });
    const head = this.#opened().append(packed.subarray(0, recordBytes), unpacked);
    return [head.seq, hex(head.digest)];
  }

  blob(hash: string): Uint8Array | undefined {
    return this.#opened().blob(Buffer.from(hash, 'hex'));
  }

  digestAt(seq: number): string | undefined {
    const digest = this.#opened().digestAt(seq);
    return digest === undefined ? undefined : hex(digest);
  }

  checkWitness({ seq, digest }: { readonly seq: number; readonly digest: string }): Witnessed {
    return this.#opened().checkWitness(seq, digest);
  }

  read({ after, bytes }: { readonly after: number; readonly bytes: number }): GroupRow[] {
    return this.#opened().read(after, bytes);
  }

  compact(args: { readonly seq: number; readonly rows: number; readonly bytes: number }): boolean {
    return this.#opened().compact(args.seq, args);
  }

  removeBlobs({ hashes, seq, ...step }: RemoveBlobsArgs): number {
    const each: Uint8Array[] = [];
    for (let at = 0; at < hashes.byteLength; at += digestBytes)
      each.push(hashes.subarray(at, at + digestBytes));
    return this.#opened().removeBlobs(each, seq, step);
  }

  checkpoint(): void {
    this.#store?.checkpoint();
  }

  close(): void {
    this.#store?.close();
    this.#store = undefined;
    this.#lock?.release();
    this.#lock = undefined;
  }

  #opened(): Store {
    if (this.#store === undefined) throw new JournalError('closed', 'The journal is not open.');
    return this.#store;
  }
}
