/** Vectors as they are kept: of length 1, each value in 16 bits of the largest. What that loses changes no ranking (test/bench). */

const largest = 32_767;

export interface VectorCode {
  readonly scale: number;
  readonly code: Int16Array;
}

/** Undefined for one that points nowhere. */
export function unit(vector: Float32Array): Float32Array | undefined {
  let square = 0;
  for (const value of vector) square += value * value;
  const length = Math.sqrt(square);
  return length > 0 && Number.isFinite(length) ? vector.map((value) => value / length) : undefined;
}

/** `vector`: of length 1. */
export function encodedVector(vector: Float32Array): VectorCode {
  let most = 0;
  for (const value of vector) most = Math.max(most, Math.abs(value));
  const scale = most / largest;
  return { scale, code: Int16Array.from(vector, (value) => Math.round(value / scale)) };
}

/** The cosine of both. `query`: of length 1. */
export function cosine(query: Float32Array, { scale, code }: VectorCode): number {
  let sum = 0;
  for (let at = 0; at < query.length; at += 1) sum += (query[at] as number) * (code[at] as number);
  return sum * scale;
}
