/**
 * Some of these that are enough: taken in order until they are, then without those that are not needed after all. Undefined
 * where all together are not.
 */
export function fewest<T>(
  items: readonly T[],
  isEnough: (some: readonly T[]) => boolean,
): readonly T[] | undefined {
  if (!isEnough(items)) return undefined;
  let taken: readonly T[] = [];
  for (const item of items) {
    taken = [...taken, item];
    if (isEnough(taken)) break;
  }
  for (const item of taken.toReversed()) {
    const others = taken.filter((one) => one !== item);
    if (isEnough(others)) taken = others;
  }
  return taken;
}
