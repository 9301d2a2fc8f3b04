/**
 * The vectors of one collection in memory, and which of them are nearest to another.
 *
 * 1. Few are compared one by one. Of many, each is first judged by one bit a value, the side of the `centre` that it is on, and
 *    those that come out best are compared in full. The judgment is RaBitQ's (Gao and Long, SIGMOD 2024) without its rotation:
 *    the query itself is not rounded, and what the bits leave out is corrected by a factor of each vector.
 * 2. A centre far from the middle makes it slower to be right, never wrong in what it says of a passage: scores are cosines.
 * 3. Memory: for each vector of n values n/8 + 12 bytes, and 2n more as long as `keepsCodes`.
 */
import { cosine, type VectorCode } from './vector-code.ts';

/** Compared one by one: a few ms. */
export const exactUpTo = 4096;
/** Of those judged by bits, the part that is compared in full; at worst (values without any structure) 98 of 100 are among them. */
const comparedPart = 0.05;
/** Each is read from the disk where the codes are not kept. */
const mostRead = 1000;
const byteValues = 256;
const histogramBins = 2048;
const growth = 1.5;

export interface Near {
  readonly chunk: number;
  readonly score: number;
}

export interface VectorIndexOptions {
  readonly dimension: number;
  readonly keepsCodes: boolean;
  /** The middle of what is to come; without one all are compared in full. */
  readonly centre?: Float32Array | undefined;
  /** Where codes are not kept. */
  readonly read: (chunk: number) => VectorCode | undefined;
}

export class VectorIndex {
  #count = 0;
  #chunks = new Uint32Array(0);
  #scales = new Float32Array(0);
  #factors = new Float32Array(0);
  #bits = new Uint8Array(0);
  #codes = new Int16Array(0);
  readonly #bytesEach: number;
  readonly #options: VectorIndexOptions;

  constructor(options: VectorIndexOptions) {
    this.#options = options;
    this.#bytesEach = Math.ceil(options.dimension / 8);
  }

  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    const arrays = [this.#chunks, this.#scales, this.#factors, this.#bits, this.#codes];
    return arrays.reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  add(chunk: number, vector: VectorCode): void {
    const { dimension, keepsCodes } = this.#options;
    const at = this.#count;
    if (at === this.#chunks.length) this.#grow(Math.max(64, Math.ceil(at * growth)));
    this.#chunks[at] = chunk;
    this.#scales[at] = vector.scale;
    if (keepsCodes) this.#codes.set(vector.code, at * dimension);
    this.#judge(at, vector);
    this.#count += 1;
  }

  /** Best first. `query`: of length 1. `chosen`: the best of these, by their ids. */
  nearest(query: Float32Array, limit: number, chosen?: ReadonlySet<number>): readonly Near[] {
    const found: Near[] = [];
    for (const at of this.#candidates(query, limit, chosen)) {
      const chunk = this.#chunks[at] as number;
      const vector = this.#vector(at, chunk);
      if (vector !== undefined) found.push({ chunk, score: cosine(query, vector) });
    }
    return found.sort((a, b) => b.score - a.score || a.chunk - b.chunk).slice(0, limit);
  }

  #grow(room: number): void {
    const { dimension, keepsCodes } = this.#options;
    this.#chunks = grown(this.#chunks, new Uint32Array(room));
    this.#scales = grown(this.#scales, new Float32Array(room));
    this.#factors = grown(this.#factors, new Float32Array(room));
    this.#bits = grown(this.#bits, new Uint8Array(room * this.#bytesEach));
    if (keepsCodes) this.#codes = grown(this.#codes, new Int16Array(room * dimension));
  }

  #judge(at: number, { scale, code }: VectorCode): void {
    const { centre, dimension } = this.#options;
    if (centre === undefined) return;
    let [sum, square] = [0, 0];
    for (let value = 0; value < dimension; value += 1) {
      const rest = scale * (code[value] as number) - (centre[value] as number);
      sum += Math.abs(rest);
      square += rest * rest;
      const byte = at * this.#bytesEach + (value >> 3);
      if (rest > 0) this.#bits[byte] = (this.#bits[byte] as number) | (1 << (value & 7));
    }
    this.#factors[at] = sum === 0 ? 0 : square / sum;
  }

  #vector(at: number, chunk: number): VectorCode | undefined {
    const { dimension, keepsCodes, read } = this.#options;
    if (!keepsCodes) return read(chunk);
    const code = this.#codes.subarray(at * dimension, (at + 1) * dimension);
    return { scale: this.#scales[at] as number, code };
  }

  #candidates(query: Float32Array, limit: number, chosen?: ReadonlySet<number>): Iterable<number> {
    const places = chosen && this.#placesOf(chosen);
    const count = places?.length ?? this.#count;
    const part = Math.ceil(count * comparedPart);
    const most = Math.max(limit, this.#options.keepsCodes ? Math.max(part, exactUpTo) : mostRead);
    if (this.#options.centre === undefined || count <= most)
      return places ?? Array.from({ length: this.#count }, (_, at) => at);
    const judged = this.#judgments(query);
    if (places === undefined) return highest(judged, most);
    const those = Float32Array.from(places, (at) => judged[at] as number);
    return highest(those, most).map((at) => places[at] as number);
  }

  #placesOf(chosen: ReadonlySet<number>): readonly number[] {
    const places: number[] = [];
    for (let at = 0; at < this.#count; at += 1) if (chosen.has(this.#chunks[at] as number)) places.push(at);
    return places;
  }

  /** Of each, nearly its score, but for what the centre adds to all. */
  #judgments(query: Float32Array): Float32Array {
    const sums = sumsOfBits(query, this.#bytesEach);
    const judged = new Float32Array(this.#count);
    const bits = this.#bits;
    for (let at = 0, byte = 0; at < judged.length; at += 1) {
      let sum = 0;
      for (let row = 0; row < sums.length; row += byteValues, byte += 1)
        sum += sums[row + (bits[byte] as number)] as number;
      judged[at] = sum * (this.#factors[at] as number);
    }
    return judged;
  }
}

/** For each byte of bits and each value of it: the query's values where a bit is set, less those where none is. */
function sumsOfBits(query: Float32Array, bytes: number): Float32Array {
  const sums = new Float32Array(bytes * byteValues);
  for (let byte = 0; byte < bytes; byte += 1) {
    const row = byte * byteValues;
    for (let bit = 0; bit < 8; bit += 1) sums[row] = (sums[row] as number) - (query[byte * 8 + bit] ?? 0);
    for (let value = 1; value < byteValues; value += 1) {
      const lowest = value & -value;
      const bit = 31 - Math.clz32(lowest);
      sums[row + value] = (sums[row + (value ^ lowest)] as number) + 2 * (query[byte * 8 + bit] ?? 0);
    }
  }
  return sums;
}

/** At least `most` of the highest values' places: all that fall into the lowest bin that is needed. */
function highest(values: Float32Array, most: number): readonly number[] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const scale = high === low ? 0 : (histogramBins - 1) / (high - low);
  const bins = new Uint32Array(histogramBins);
  for (const value of values) {
    const bin = Math.trunc((value - low) * scale);
    bins[bin] = (bins[bin] as number) + 1;
  }
  let least = histogramBins;
  for (let count = 0; least > 0 && count < most; ) {
    least -= 1;
    count += bins[least] as number;
  }
  const places: number[] = [];
  for (let at = 0; at < values.length; at += 1)
    if (Math.trunc(((values[at] as number) - low) * scale) >= least) places.push(at);
  return places;
}

function grown<Values extends Uint32Array | Float32Array | Uint8Array | Int16Array>(
  old: Values,
  larger: Values,
): Values {
  larger.set(old);
  return larger;
}
