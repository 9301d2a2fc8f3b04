/** Which of the names that are known somebody most likely meant. */

/** More would hide the likely ones. */
const namesShown = 3;

/** The nearest first; equals by name. */
export function nearest(asked: string, names: readonly string[]): readonly string[] {
  return names
    .map((name) => ({ name, far: distance(asked.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.far - b.far || (a.name < b.name ? -1 : 1))
    .slice(0, namesShown)
    .map(({ name }) => name);
}

/** Letters to add, leave out or put in another's place, so that one becomes the other. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const swap = (row[j - 1] as number) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[to.length] as number;
}
