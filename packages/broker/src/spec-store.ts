/**
 * Specifications by content: envelopes decoded once for all tasks that share them, bodies kept as bytes until a worker
 * needs them.
 *
 * 1. A frame's bytes are copied before they are kept: a view would hold the whole frame.
 * 2. Memory is bounded: envelopes by number, bodies by bytes. A body that was journaled may be let go and is read back
 *    from the journal; one of an ephemeral task is pinned until the task ends, and refused when too much is.
 * 3. Whoever reads a submission journals or pins its body before reading the next: the newest are there for certain.
 */
import { createHash } from 'node:crypto';
import type { BlobHash, Envelope, Failure } from '@gryphgen/protocol';
import { decodeEnvelope, encodeEnvelope, failure, limits } from '@gryphgen/protocol';
import { shapeKey } from '@gryphgen/scheduler';
import { BodyArena } from './body-arena.ts';
import type { SubmittedSpec } from './core/events.ts';
import type { JournalBlob } from './journal/journal.ts';

interface KnownEnvelope {
  readonly envelope: Envelope;
  readonly hash: BlobHash;
  readonly shapeKey: string;
}

interface PinnedBody {
  readonly bytes: Uint8Array;
  pins: number;
}

/** Bodies up to this size are recognised by their bytes, which is cheaper than hashing them again. */
const recognisedBytes = 1024;
/** Bodies kept in memory beside those pinned. */
const bodyBudgetBytes = 128 * 1024 * 1024;
/** Bodies pinned: some thousand of the largest, or half a million small ones that differ. */
const pinnedBudgetBytes = 256 * 1024 * 1024;
/** What a pinned body takes beside its bytes. */
const pinBytes = 512;

export class SpecStore {
  private readonly envelopes = new Map<string, KnownEnvelope>();
  private readonly bodies = new BodyArena(bodyBudgetBytes);
  private readonly pinned = new Map<BlobHash, PinnedBody>();
  private readonly pinnedBudget: number;
  private pinnedBytes = 0;
  private readonly recognised = new Map<string, BlobHash>();
  /** Tasks come in runs of one envelope: comparing bytes is cheaper than making a string to look up. */
  private latest: { readonly bytes: Uint8Array; readonly known: KnownEnvelope } | undefined;
  private readonly encoded = new WeakMap<Envelope, Uint8Array>();

  constructor(pinnedBudget = pinnedBudgetBytes) {
    this.pinnedBudget = pinnedBudget;
  }

  /** Reads a submission's two parts; what is wrong is returned in words. */
  read(envelopeBytes: Uint8Array, body: Uint8Array): SubmittedSpec | Failure {
    const known = this.envelopeOf(envelopeBytes);
    if ('code' in known) return known;
    if (body.byteLength > limits.bodyBytes) {
      return failure('rejected.limit', `the body has ${body.byteLength} bytes, at most ${limits.bodyBytes}`);
    }
    const { envelope, hash, shapeKey: key } = known;
    const bodyHash = this.keep(body);
    if (!envelope.durable && !this.mayPin(bodyHash, body.byteLength)) {
      const words = `unfinished ephemeral tasks have ${this.pinnedBytes} bytes of bodies in the broker's memory, at most ${this.pinnedBudget}`;
      return failure('rejected.limit', words);
    }
    return { envelope, envelopeHash: hash, shapeKey: key, bodyHash, bodyBytes: body.byteLength };
  }

  private mayPin(hash: BlobHash, bytes: number): boolean {
    return this.pinned.has(hash) || this.pinnedBytes + bytes + pinBytes <= this.pinnedBudget;
  }

  private envelopeOf(bytes: Uint8Array): KnownEnvelope | Failure {
    if (this.latest !== undefined && Buffer.compare(this.latest.bytes, bytes) === 0) return this.latest.known;
    const text = latin1(bytes);
    const known = this.envelopes.get(text) ?? this.learn(text, bytes);
    if (!('code' in known)) this.latest = { bytes: new Uint8Array(bytes), known };
    return known;
  }

  private learn(text: string, bytes: Uint8Array): KnownEnvelope | Failure {
    const read = decodeEnvelope(bytes);
    if (!read.ok) return read.failure;
    // Hash our own encoding: two encodings of one envelope are one specification.
    const hash = sha256(encodeEnvelope(read.value));
    const made = { envelope: read.value, hash, shapeKey: shapeKey(read.value) };
    if (this.envelopes.size >= limits.envelopes) this.envelopes.clear();
    this.envelopes.set(text, made);
    return made;
  }

  private keep(body: Uint8Array): BlobHash {
    const text = body.byteLength <= recognisedBytes ? latin1(body) : undefined;
    const recognised = text === undefined ? undefined : this.recognised.get(text);
    if (recognised !== undefined && this.bodies.has(recognised)) return recognised;
    const hash = sha256(body);
    this.bodies.put(hash, body);
    if (text !== undefined) {
      if (this.recognised.size >= limits.envelopes) this.recognised.clear();
      this.recognised.set(text, hash);
    }
    return hash;
  }

  /** As it travels. Tasks share envelopes, and each lease carries one: encoded once. */
  envelopeBytes(envelope: Envelope): Uint8Array {
    let bytes = this.encoded.get(envelope);
    if (bytes === undefined) {
      bytes = encodeEnvelope(envelope);
      this.encoded.set(envelope, bytes);
    }
    return bytes;
  }

  /** The body, if it is in memory. */
  body(hash: BlobHash): Uint8Array | undefined {
    return this.bodies.get(hash) ?? this.pinned.get(hash)?.bytes;
  }

  /** Of a submission just read. */
  pin(hash: BlobHash): void {
    const known = this.pinned.get(hash);
    if (known !== undefined) {
      known.pins += 1;
      return;
    }
    const bytes = new Uint8Array(this.justRead(hash));
    this.pinned.set(hash, { bytes, pins: 1 });
    this.pinnedBytes += bytes.byteLength + pinBytes;
  }

  unpin(hash: BlobHash): void {
    const known = this.pinned.get(hash);
    if (known === undefined) return;
    known.pins -= 1;
    if (known.pins > 0) return;
    this.pinned.delete(hash);
    this.pinnedBytes -= known.bytes.byteLength + pinBytes;
  }

  /** Of a submission just read. */
  toJournal(hash: BlobHash): JournalBlob {
    return { hash, bytes: this.justRead(hash) };
  }

  private justRead(hash: BlobHash): Uint8Array {
    const bytes = this.body(hash);
    if (bytes === undefined) throw new Error(`body ${hash} was not just read`);
    return bytes;
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

function sha256(bytes: Uint8Array): BlobHash {
  return createHash('sha256').update(bytes).digest('hex') as BlobHash;
}
