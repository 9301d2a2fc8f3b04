/** Of samples: what is printed of them. */

/** `share` 0..1; 0 for no samples. Sorts a copy. */
export function percentile(samples: Iterable<number>, share: number): number {
  const sorted = Float64Array.from(samples).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

export function median(samples: Iterable<number>): number {
  return percentile(samples, 0.5);
}
