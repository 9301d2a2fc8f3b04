/** A choice of results that do not say the same: near copies are left out, and one document does not fill the page. */
import { runsOf } from '../terms/terms.ts';

interface DiversityLimits {
  /** More of one source come only after all others. */
  readonly perSource: number;
  /** Share of common word triples (Jaccard) from which a text is a copy of one before it. */
  readonly copyShare: number;
}

const diversityLimits: DiversityLimits = { perSource: 3, copyShare: 0.85 };

interface Candidate {
  readonly source: { readonly key: string };
  readonly collection: string;
  readonly text: string;
}

/** `results` best first. What is left keeps its order; a copy counts as answered by the one before it. */
export function diverse<Result extends Candidate>(
  results: readonly Result[],
  limit: number,
  { perSource, copyShare }: DiversityLimits = diversityLimits,
): readonly Result[] {
  const taken: Result[] = [];
  const later: Result[] = [];
  const shown: ReadonlySet<string>[] = [];
  const bySource = new Map<string, number>();
  for (const result of results) {
    if (taken.length === limit) break;
    const triples = triplesOf(result.text);
    if (shown.some((before) => isAlike(before, triples, copyShare))) continue;
    shown.push(triples);
    const source = JSON.stringify([result.collection, result.source.key]);
    const count = (bySource.get(source) ?? 0) + 1;
    bySource.set(source, count);
    (count <= perSource ? taken : later).push(result);
  }
  return [...taken, ...later].slice(0, limit);
}

function triplesOf(text: string): ReadonlySet<string> {
  const words = runsOf(text.toLowerCase());
  if (words.length < 3) return new Set([words.join(' ')]);
  return new Set(words.slice(2).map((word, at) => `${words[at]} ${words[at + 1]} ${word}`));
}

/** Whether the sets share so much of both together (Jaccard). Of most texts the beginning says no. */
function isAlike(a: ReadonlySet<string>, b: ReadonlySet<string>, share: number): boolean {
  let mayLack = a.size - (share * (a.size + b.size)) / (1 + share);
  if (mayLack < 0) return false;
  for (const each of a) {
    if (b.has(each)) continue;
    mayLack -= 1;
    if (mayLack < 0) return false;
  }
  return true;
}
