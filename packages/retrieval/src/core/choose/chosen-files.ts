/**
 * Which files of a collection are meant by a choice of them.
 *
 * 1. What it costs is bounded by the lengths of pattern and name, whatever is written: there is no going back but to the last
 *    star, and no expression is made of what somebody asks.
 */
import type { ChosenFiles } from '@gryphgen/protocol';

/** By a key: the machine and a line end, where it has one, and the path. */
export function chooserOf({ paths, extensions, machines }: ChosenFiles): (key: string) => boolean {
  const globs = paths?.map((glob) => segmentsOf(glob));
  const endings = extensions && new Set<string | undefined>(extensions.map((one) => one.toLowerCase()));
  const where = machines && new Set(machines);
  return (key) => {
    const end = key.indexOf('\n');
    const path = key.slice(end + 1);
    if (where !== undefined && !where.has(key.slice(0, Math.max(0, end)))) return false;
    if (endings !== undefined && !endings.has(endingOf(path))) return false;
    if (globs === undefined) return true;
    const segments = path.split('/');
    return globs.some((glob) => matches(glob, segments, '**', isSegment));
  };
}

/** Behind the last dot of its name, where that is not all of it. */
function endingOf(path: string): string | undefined {
  return /[^/]\.([^./]+)$/.exec(path)?.[1]?.toLowerCase();
}

/** One that does not begin at the root begins at any folder; one that ends with "/" means all that is below. */
function segmentsOf(glob: string): readonly string[] {
  const whole = glob.endsWith('/') ? `${glob}**` : glob;
  return (whole.startsWith('/') ? whole : `**/${whole}`).split('/');
}

function isSegment(glob: string, segment: string): boolean {
  return matches([...glob], [...segment], '*', (one, char) => one === '?' || one === char);
}

/** Of a pattern's items `star` stands for any number of others, and each of the rest for one. */
function matches(
  pattern: readonly string[],
  items: readonly string[],
  star: string,
  isOne: (pattern: string, item: string) => boolean,
): boolean {
  let [at, item] = [0, 0];
  let last: { readonly at: number; item: number } | undefined;
  while (item < items.length) {
    const one = pattern[at];
    if (one === star) {
      last = { at, item };
      at += 1;
    } else if (one !== undefined && isOne(one, items[item] as string)) {
      at += 1;
      item += 1;
    } else if (last !== undefined) {
      // The last of them stands for one more.
      last.item += 1;
      item = last.item;
      at = last.at + 1;
    } else return false;
  }
  return pattern.slice(at).every((rest) => rest === star);
}
