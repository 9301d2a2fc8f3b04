/**
 * Where each blob lies, by hash, in memory. On disk, blobs are in the order of their arrival: an index by hash there
 * costs a page of log for every blob (13k blobs/s measured, against 100k/s and more), and the opening reads all blobs anyway.
 *
 * 1. The first 12 bytes of a hash stand for it: two of a million blobs agree with chance 2^-56.
 * 2. About 45 B a blob: open addressing over typed arrays, at most two thirds full, nothing for a collector to visit.
 */
const MIN_SLOTS = 1024;

/** `id` is the blob's row; `seq` the last commit that named it. */
export interface BlobPlace {
  readonly id: number;
  readonly seq: number;
}

export class BlobIndex {
  #size = 0;
  #mask = MIN_SLOTS - 1;
  /** Two keys a slot: 6 bytes of the hash each. */
  #keys = new Float64Array(2 * MIN_SLOTS);
  /** 0 marks a free slot: SQLite's rows count from 1. */
  #ids = new Float64Array(MIN_SLOTS);
  #seqs = new Float64Array(MIN_SLOTS);

  get size(): number {
    return this.#size;
  }

  get(hash: Uint8Array): BlobPlace | undefined {
    const slot = this.#slotOf(high(hash), low(hash));
    const id = this.#ids[slot] as number;
    return id === 0 ? undefined : { id, seq: this.#seqs[slot] as number };
  }

  set(hash: Uint8Array, { id, seq }: BlobPlace): void {
    if (3 * (this.#size + 1) > 2 * (this.#mask + 1)) this.#grow();
    this.#put(high(hash), low(hash), id, seq);
  }

  delete(hash: Uint8Array): void {
    let free = this.#slotOf(high(hash), low(hash));
    if (this.#ids[free] === 0) return;
    this.#size -= 1;
    // Closes the hole: whatever could not be found past a free slot moves into it.
    for (let slot = (free + 1) & this.#mask; this.#ids[slot] !== 0; slot = (slot + 1) & this.#mask) {
      const home = this.#home(this.#keys[2 * slot + 1] as number);
      if (((slot - home) & this.#mask) < ((slot - free) & this.#mask)) continue;
      this.#keys.copyWithin(2 * free, 2 * slot, 2 * slot + 2);
      this.#ids[free] = this.#ids[slot] as number;
      this.#seqs[free] = this.#seqs[slot] as number;
      free = slot;
    }
    this.#ids[free] = 0;
  }

  #put(keyHigh: number, keyLow: number, id: number, seq: number): void {
    const slot = this.#slotOf(keyHigh, keyLow);
    if (this.#ids[slot] === 0) this.#size += 1;
    this.#keys[2 * slot] = keyHigh;
    this.#keys[2 * slot + 1] = keyLow;
    this.#ids[slot] = id;
    this.#seqs[slot] = seq;
  }

  /** The slot that holds the key, or the free one where it would go. */
  #slotOf(keyHigh: number, keyLow: number): number {
    let slot = this.#home(keyLow);
    while (
      this.#ids[slot] !== 0 &&
      (this.#keys[2 * slot] !== keyHigh || this.#keys[2 * slot + 1] !== keyLow)
    ) {
      slot = (slot + 1) & this.#mask;
    }
    return slot;
  }

  #home(keyLow: number): number {
    return (keyLow % 0x1_0000_0000) & this.#mask;
  }

  #grow(): void {
    const { length } = this.#ids;
    const [keys, ids, seqs] = [this.#keys, this.#ids, this.#seqs];
    this.#mask = 2 * length - 1;
    this.#keys = new Float64Array(4 * length);
    this.#ids = new Float64Array(2 * length);
    this.#seqs = new Float64Array(2 * length);
    this.#size = 0;
    for (let slot = 0; slot < length; slot += 1) {
      const id = ids[slot] as number;
      if (id !== 0)
        this.#put(keys[2 * slot] as number, keys[2 * slot + 1] as number, id, seqs[slot] as number);
    }
  }
}

function high(hash: Uint8Array): number {
  return sixBytes(hash, 0);
}

function low(hash: Uint8Array): number {
  return sixBytes(hash, 6);
}

function sixBytes(hash: Uint8Array, at: number): number {
  const byte = (offset: number) => hash[at + offset] as number;
  const top = byte(0) * 0x100 + byte(1);
  return top * 0x1_0000_0000 + byte(2) * 0x100_0000 + byte(3) * 0x1_0000 + byte(4) * 0x100 + byte(5);
}
