/** Collects passages into a new segment. Each word is taken apart once however often it comes. */
import { nameTerms, runsOf, termsOfRun } from '../terms/terms.ts';
import { PostingsWriter } from './postings.ts';
import { kill, ordinalOf, type Segment } from './segment.ts';

/** What of a passage is indexed. */
export interface Indexed {
  /** The document's title and the headings above the passage. */
  readonly title: string;
  readonly path: string;
  readonly symbols: readonly string[];
  readonly body: string;
  /** What a query finds it first by, as a whole: its symbols; and of a document's first passage, its title and path. */
  readonly names: readonly string[];
}

interface Entry {
  readonly postings: PostingsWriter;
  ordinal: number;
  readonly counts: [number, number, number, number];
}

/** A length fits 16 bits; longer passages than this there are none. */
const MAX_LENGTH = 65_535;

export class SegmentBuilder {
  readonly #entries = new Map<string, Entry>();
  readonly #runs = new Map<string, { readonly words: readonly Entry[]; readonly compound: Entry | null }>();
  readonly #chunks: number[] = [];
  readonly #ties: number[] = [];
  readonly #lengths: number[] = [];
  readonly #removed: number[] = [];
  #touched: Entry[] = [];

  get count(): number {
    return this.#chunks.length;
  }

  /** `chunk`: its id, higher than all before. */
  add(chunk: number, tie: number, { title, path, symbols, body, names }: Indexed): void {
    const ordinal = this.#chunks.length;
    this.#chunks.push(chunk);
    this.#ties.push(tie);
    const texts = [title, path, symbols.join(' '), body];
    for (const [field, text] of texts.entries())
      this.#lengths.push(Math.min(MAX_LENGTH, this.#count(text, field, ordinal)));
    for (const name of names)
      for (const term of nameTerms(name) ?? []) this.#occurs(this.#entry(term), ordinal);
    for (const { postings, counts } of this.#touched) {
      postings.add(ordinal, ...counts);
      counts.fill(0);
    }
    this.#touched = [];
  }

  /** A passage that was added here. */
  remove(chunk: number): void {
    this.#removed.push(chunk);
  }

  segment(): Segment {
    const segment: Segment = {
      count: this.count,
      chunks: Uint32Array.from(this.#chunks),
      ties: Uint32Array.from(this.#ties),
      lengths: Uint16Array.from(this.#lengths),
      dead: new Uint8Array((this.count + 7) >> 3),
    };
    for (const chunk of this.#removed) kill(segment.dead, ordinalOf(segment, chunk));
    return segment;
  }

  /** Ordered as SQLite orders text, so that they are appended to its table. */
  postings(): readonly (readonly [term: string, bytes: Uint8Array])[] {
    return [...this.#entries]
      .map(([term, { postings }]) => [term, postings.bytes()] as const)
      .sort(([a], [b]) => compareTerms(a, b));
  }

  #count(text: string, field: number, ordinal: number): number {
    let length = 0;
    for (const run of runsOf(text)) {
      let entries = this.#runs.get(run);
      if (entries === undefined) {
        const { words, compound } = termsOfRun(run);
        entries = {
          words: words.map((word) => this.#entry(word)),
          compound: compound === null ? null : this.#entry(compound),
        };
        this.#runs.set(run, entries);
      }
      const { words, compound } = entries;
      for (const entry of words) {
        this.#occurs(entry, ordinal);
        entry.counts[field as 0] += 1;
      }
      if (compound !== null) {
        this.#occurs(compound, ordinal);
        compound.counts[field as 0] += 1;
      }
      length += words.length;
    }
    return length;
  }

  #occurs(entry: Entry, ordinal: number): void {
    if (entry.ordinal === ordinal) return;
    entry.ordinal = ordinal;
    this.#touched.push(entry);
  }

  #entry(term: string): Entry {
    let entry = this.#entries.get(term);
    if (entry === undefined) {
      entry = { postings: new PostingsWriter(), ordinal: -1, counts: [0, 0, 0, 0] };
      this.#entries.set(term, entry);
    }
    return entry;
  }
}

/** By code points, which is the order of their UTF-8: surrogates stand above all else there. */
export function compareTerms(a: string, b: string): number {
  const end = Math.min(a.length, b.length);
  for (let at = 0; at < end; at += 1) {
    const [one, other] = [a.charCodeAt(at), b.charCodeAt(at)];
    if (one === other) continue;
    const [oneHigh, otherHigh] = [one >= 0xd800 && one < 0xe000, other >= 0xd800 && other < 0xe000];
    return oneHigh === otherHigh ? one - other : oneHigh ? 1 : -1;
  }
  return a.length - b.length;
}
