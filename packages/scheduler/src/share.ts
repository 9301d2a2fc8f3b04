/** 0..1: how much of the whole a part is; of nothing, all. */
export function share(part: number, whole: number): number {
  return whole > 0 ? clamp(part / whole) : 1;
}

export function clamp(value: number): number {
  return Math.min(1, Math.max(0, value));
}
