/** How soon a task would end, 0..1; one half for what is usual of it. */
export function finishScore(takesMs: number, typicalMs: number): number {
  return 1 / (1 + (takesMs / typicalMs) ** 2);
}
