/** Which images go when those the grid has pulled take more than they may: pure, so that the rule can be tested. */

export interface BudgetedImage {
  readonly id: string;
  readonly bytes: number;
  readonly usedMs: number;
  /** In use, used just now, or somebody's by another name. */
  readonly mustStay: boolean;
}

/**
 * In the order they go: least recently used first, until the rest is within the budget or all of it must stay. Layers
 * that images share count for each: what the engine frees may be less.
 */
export function imagesToRemove(
  images: readonly BudgetedImage[],
  budgetBytes: number,
): readonly BudgetedImage[] {
  let bytes = images.reduce((sum, image) => sum + image.bytes, 0);
  const going: BudgetedImage[] = [];
  for (const image of [...images].sort((a, b) => a.usedMs - b.usedMs || (a.id < b.id ? -1 : 1))) {
    if (bytes <= budgetBytes) break;
    if (image.mustStay) continue;
    going.push(image);
    bytes -= image.bytes;
  }
  return going;
}
