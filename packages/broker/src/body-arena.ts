/**
 * Bodies of tasks by their hash, packed: an object and a typed array for each would cost several times what it holds.
 *
 * 1. Bounded: the index counts too. The oldest slab goes as a whole; bytes handed out before stay as they are.
 * 2. A slab is only ever written behind what it holds.
 */
import type { BlobHash } from '@gryphgen/protocol';

/** Holds at least 15 of the largest bodies, so little is wasted at its end. */
const slabBytes = 4 * 1024 * 1024;
/** Of the index: an entry of the map, the hash as a string, its place in the slab's list. */
const indexBytes = 128;
/** Each body starts at a multiple of this, with its length. */
const unit = 8;
const lengthBytes = 4;

interface Slab {
  readonly bytes: Buffer;
  readonly hashes: BlobHash[];
  used: number;
}

export class BodyArena {
  private readonly budgetBytes: number;
  /** In units, from the start of the first slab there ever was. */
  private readonly places = new Map<BlobHash, number>();
  private slabs: Slab[] = [];
  private dropped = 0;

  constructor(budgetBytes: number) {
    this.budgetBytes = budgetBytes;
  }

  has(hash: BlobHash): boolean {
    return this.places.has(hash);
  }

  /** A view. */
  get(hash: BlobHash): Uint8Array | undefined {
    const place = this.places.get(hash);
    if (place === undefined) return undefined;
    const slab = this.slabs[Math.floor((place * unit) / slabBytes) - this.dropped] as Slab;
    const start = (place * unit) % slabBytes;
    const length = slab.bytes.readUInt32LE(start);
    return slab.bytes.subarray(start + lengthBytes, start + lengthBytes + length);
  }

  /** Copies. It stays at least until as much as the budget holds has followed it. */
  put(hash: BlobHash, body: Uint8Array): void {
    if (this.places.has(hash)) return;
    const slab = this.slabFor(lengthBytes + body.length);
    const start = slab.used;
    slab.bytes.writeUInt32LE(body.length, start);
    slab.bytes.set(body, start + lengthBytes);
    slab.used = Math.ceil((start + lengthBytes + body.length) / unit) * unit;
    slab.hashes.push(hash);
    this.places.set(hash, ((this.dropped + this.slabs.length - 1) * slabBytes + start) / unit);
    this.trim();
  }

  private slabFor(bytes: number): Slab {
    const last = this.slabs.at(-1);
    if (last !== undefined && last.used + bytes <= slabBytes) return last;
    const made = { bytes: Buffer.alloc(slabBytes), hashes: [], used: 0 };
    this.slabs.push(made);
    return made;
  }

  private trim(): void {
    while (
      this.slabs.length > 1 &&
      this.slabs.length * slabBytes + this.places.size * indexBytes > this.budgetBytes
    ) {
      for (const hash of this.slabs[0]?.hashes ?? []) this.places.delete(hash);
      this.slabs = this.slabs.slice(1);
      this.dropped += 1;
    }
  }
}
