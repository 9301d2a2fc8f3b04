/** Maps that keep what was used of late: their order is that of the last use, newest last. */

/** The entry is the newest from now on. */
export function touched<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
}

/** Makes room for one more among `most`. */
export function leastRecent(map: Map<string, unknown>, most: number): void {
  while (map.size >= most) map.delete(map.keys().next().value as string);
}
