/** What stands beside the passages of an answer, as far as it has room beside their own texts. */
import type { Neighbour, QueryResult } from '@gryphgen/protocol';
import type * as stored from '../store/store.ts';

/** Of the member that they are in. */
const around = 16;

/**
 * `found`: the passages of `answer`, in its order; behind its last there may be more. The best passage's come first; each stands in
 * one place, and one that is itself in the answer in none. Nothing is added to an answer that is cut.
 */
export async function withNeighbours(
  answer: QueryResult,
  found: readonly stored.Passage[],
  distance: number,
  maxBytes: number,
  store: stored.Store,
): Promise<QueryResult> {
  const shown = found.slice(0, answer.results.length);
  const [first] = shown;
  if (first === undefined || answer.cut) return answer;
  const places = shown.map(({ source: { key }, seq }) => ({ key, seq }));
  const beside = await store.neighbours(first.collection, places, distance);
  const taken = new Set(places.map(({ key, seq }) => `${key}\n${seq}`));
  let left = maxBytes - Buffer.byteLength(JSON.stringify(answer));
  const results = answer.results.map((result, at) => {
    const { source, place } = shown[at] as stored.Passage;
    left -= around;
    const kept: Neighbour[] = [];
    for (const one of beside[at] ?? []) {
      const id = `${source.key}\n${one.seq}`;
      if (taken.has(id) || one.place !== place) continue;
      const neighbour = neighbourOf(one, source.title);
      const bytes = Buffer.byteLength(JSON.stringify(neighbour)) + 1;
      if (bytes > left) continue;
      left -= bytes;
      taken.add(id);
      kept.push(neighbour);
    }
    return kept.length === 0 ? result : { ...result, around: kept };
  });
  return { ...answer, results };
}

function neighbourOf(
  { startLine, endLine, headings, text }: stored.PlacedChunk,
  named: string | null,
): Neighbour {
  const title = headings.at(-1) ?? named;
  return { lines: [startLine, endLine], ...(title !== null && { title }), text };
}
