/** Numbers that are the same on every machine and in every JavaScript engine. */

export interface Numbers {
  readonly u32: () => number;
  /** Mean 0, variance 1: the sum of four uniforms, since the last bits of log and cos differ between engines. */
  readonly normal: () => number;
  readonly fill: (count: number, scale: number) => Float32Array;
}

/** sfc32. */
export function seededNumbers(seed: number): Numbers {
  let a = 0x9e3779b9 ^ seed;
  let b = 0x243f6a88 ^ Math.imul(seed, 0x85ebca6b);
  let c = 0xb7e15162 ^ (seed >>> 7);
  let d = 1;
  const u32 = (): number => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return t >>> 0;
  };
  for (let i = 0; i < 16; i++) u32();
  const uniform = (): number => u32() / 4294967296;
  const normal = (): number => (uniform() + uniform() + uniform() + uniform() - 2) * 1.7320508075688772;
  const fill = (count: number, scale: number): Float32Array =>
    Float32Array.from({ length: count }, () => normal() * scale);
  return { u32, normal, fill };
}

const single = new Float32Array(1);
const bits = new Uint32Array(single.buffer);

/** The 16 bits of a number as half precision, rounded to the nearest, halves to even. */
export function half(value: number): number {
  single[0] = value;
  const whole = bits[0]!;
  const sign = (whole >>> 16) & 0x8000;
  const exponent = ((whole >>> 23) & 255) - 112;
  const mantissa = whole & 0x7fffff;
  if (exponent >= 31) return sign | 0x7c00;
  if (exponent < -10) return sign;
  if (exponent <= 0) return sign | rounded(mantissa | 0x800000, 14 - exponent);
  return sign | ((exponent << 10) + rounded(mantissa, 13));
}

function rounded(mantissa: number, shift: number): number {
  const kept = mantissa >>> shift;
  const rest = mantissa & ((1 << shift) - 1);
  const middle = 1 << (shift - 1);
  return kept + (rest > middle || (rest === middle && (kept & 1) === 1) ? 1 : 0);
}
