/**
 * Ranks the passages of a collection for a query: BM25 over weighted fields (BM25F: Robertson and Zaragoza, "The
 * Probabilistic Relevance Framework", 2009).
 *
 * 1. The score of a passage depends on what is in the collection, not on how it came there: the dead count for nothing, and
 *    passages of one score are ordered by their ties. With the statistics of the whole a part of it scores as the whole does.
 * 2. What a query names as a whole comes first: as it is written, then in any writing.
 * 3. Every posting of every term is read. At 100,000 passages that is a million bytes at most, less than it costs to be
 *    clever; bounded by the number of terms.
 */
import type { Statistics } from '@gryphgen/protocol';
import { FIELDS, type Field, PostingsReader } from '../index/postings.ts';
import { isDead, type Segment, type Totals } from '../index/segment.ts';
import type { QueryTerms } from './query-terms.ts';

export interface RankSettings {
  /** How soon more of a term adds less. */
  readonly k1: number;
  /** What one occurrence counts, by field. */
  readonly weights: Readonly<Record<Field, number>>;
  /** How much a field's length counts against it: 0 not at all, 1 in full. */
  readonly b: Readonly<Record<Field, number>>;
  /** What an identifier as a whole counts, beside the words in it. */
  readonly compoundWeight: number;
}

/** Tuned on CoSQA's dev queries; rounded, since what is best on one collection is not on another. */
export const rankSettings: RankSettings = {
  k1: 1.5,
  weights: { title: 1, path: 0.5, symbol: 1.5, body: 1 },
  b: { title: 0.3, path: 0.3, symbol: 0.5, body: 0.8 },
  compoundWeight: 0.25,
};

export interface IndexPart {
  readonly segment: Segment;
  readonly totals: Totals;
  readonly postings: (term: string) => Uint8Array | undefined;
  /** Passages (by their ids) that may be answered; without it all. The others count in the scores of these. */
  readonly chosen?: ReadonlySet<number> | undefined;
}

/** What one term added to the score. */
export interface TermScore {
  readonly term: string;
  readonly score: number;
}

export interface Ranked {
  readonly chunk: number;
  readonly score: number;
  /** How the query names it as a whole. */
  readonly named: 'exactly' | 'loosely' | null;
  readonly terms: readonly TermScore[];
}

interface TermHits {
  readonly term: string;
  readonly places: Int32Array;
  readonly scores: Float32Array;
}

const NAMED_EXACTLY = 2;
const NAMED_LOOSELY = 1;

export function rank(
  parts: readonly IndexPart[],
  query: QueryTerms,
  limit: number,
  settings: RankSettings,
  whole?: Statistics,
): readonly Ranked[] {
  const { live, lengths } = whole ?? sizesOf(parts);
  const holding = whole && new Map(whole.holding);
  const bases = basesOf(parts);
  const total = bases.at(-1) ?? 0;
  const scores = new Float32Array(total);
  const hits = [...query.terms].map(([term, times]) => {
    const weight = times * (term.startsWith('~') ? settings.compoundWeight : 1);
    const found = termHits(parts, bases, term, settings, { live, lengths });
    const inAll = holding?.get(term) ?? found.places.length;
    weigh(found.scores, weight * rarity(live, Math.max(inAll, found.places.length)));
    return found;
  });
  for (const { places, scores: added } of hits)
    for (let at = 0; at < places.length; at += 1) {
      const place = places[at] as number;
      scores[place] = (scores[place] as number) + (added[at] as number);
    }
  const named = namedPlaces(parts, bases, query);
  passOver(parts, bases, scores, named);
  return best(parts, bases, scores, named, limit).map((place) => {
    const part = partOf(bases, place);
    const level = named.get(place);
    return {
      chunk: parts[part]?.segment.chunks[place - (bases[part] as number)] as number,
      score: scores[place] as number,
      named: level === undefined ? null : level === NAMED_EXACTLY ? 'exactly' : 'loosely',
      terms: hits.flatMap((hit) => termScore(hit, place)),
    };
  });
}

/** Where each part's places begin, and at the end how many there are. */
function basesOf(parts: readonly IndexPart[]): readonly number[] {
  const bases = [0];
  for (const { segment } of parts) bases.push((bases.at(-1) as number) + segment.count);
  return bases;
}

function partOf(bases: readonly number[], place: number): number {
  let part = 0;
  while ((bases[part + 1] as number) <= place) part += 1;
  return part;
}

function termHits(
  parts: readonly IndexPart[],
  bases: readonly number[],
  term: string,
  { k1, weights, b }: RankSettings,
  { live, lengths: sums }: Totals,
): TermHits {
  const lists = parts.map(({ postings }) => postings(term));
  // A posting has a byte at least.
  const room = lists.reduce((sum, bytes) => sum + (bytes?.byteLength ?? 0), 0);
  const places = new Int32Array(room);
  const scores = new Float32Array(room);
  const [title, path, symbol, body] = FIELDS.map((field, at) => {
    const sum = sums[at] as number;
    const average = live === 0 || sum === 0 ? 1 : sum / live;
    return { weight: weights[field], least: 1 - b[field], slope: b[field] / average };
  }) as [FieldNorm, FieldNorm, FieldNorm, FieldNorm];
  let count = 0;
  lists.forEach((bytes, part) => {
    if (bytes === undefined) return;
    const { dead, lengths } = (parts[part] as IndexPart).segment;
    const base = bases[part] as number;
    const reader = new PostingsReader(bytes);
    while (reader.next()) {
      const { ordinal } = reader;
      if (isDead(dead, ordinal)) continue;
      const at = ordinal * 4;
      let frequency = 0;
      if (reader.body !== 0) frequency = normed(body, reader.body, lengths[at + 3] as number);
      if (reader.title !== 0) frequency += normed(title, reader.title, lengths[at] as number);
      if (reader.path !== 0) frequency += normed(path, reader.path, lengths[at + 1] as number);
      if (reader.symbol !== 0) frequency += normed(symbol, reader.symbol, lengths[at + 2] as number);
      places[count] = base + ordinal;
      scores[count] = (frequency * (k1 + 1)) / (k1 + frequency);
      count += 1;
    }
  });
  return { term, places: places.subarray(0, count), scores: scores.subarray(0, count) };
}

/** Of a term that so many of so many passages have. */
function rarity(live: number, count: number): number {
  return Math.log(1 + (Math.max(live, count) - count + 0.5) / (count + 0.5));
}

function weigh(scores: Float32Array, by: number): void {
  for (let at = 0; at < scores.length; at += 1) scores[at] = (scores[at] as number) * by;
}

function sizesOf(parts: readonly IndexPart[]): Totals {
  const lengths = FIELDS.map((_, at) =>
    parts.reduce((sum, { totals }) => sum + (totals.lengths[at] as number), 0),
  );
  return { live: parts.reduce((sum, { totals }) => sum + totals.live, 0), lengths };
}

/** What others that hold the rest of a collection need to score by (1). */
export function statisticsOf(parts: readonly IndexPart[], { terms }: QueryTerms): Statistics {
  const holding = [...terms.keys()].map((term): [string, number] => {
    let count = 0;
    for (const { segment, postings } of parts) {
      const bytes = postings(term);
      if (bytes === undefined) continue;
      const reader = new PostingsReader(bytes);
      while (reader.next()) if (!isDead(segment.dead, reader.ordinal)) count += 1;
    }
    return [term, count];
  });
  const { live, lengths } = sizesOf(parts);
  return { live, lengths: [...lengths], holding };
}

interface FieldNorm {
  readonly weight: number;
  readonly least: number;
  readonly slope: number;
}

const normed = ({ weight, least, slope }: FieldNorm, times: number, length: number): number =>
  (weight * times) / (least + slope * length);

function namedPlaces(
  parts: readonly IndexPart[],
  bases: readonly number[],
  { names }: QueryTerms,
): Map<number, number> {
  const named = new Map<number, number>();
  // The exact writing last: it overrules.
  for (const [term, level] of [
    [names?.[1], NAMED_LOOSELY],
    [names?.[0], NAMED_EXACTLY],
  ] as const)
    parts.forEach(({ segment, postings }, part) => {
      const bytes = term === undefined ? undefined : postings(term);
      if (bytes === undefined) return;
      const reader = new PostingsReader(bytes);
      while (reader.next())
        if (!isDead(segment.dead, reader.ordinal)) named.set((bases[part] as number) + reader.ordinal, level);
    });
  return named;
}

/** What was not chosen has no score, and is not named. */
function passOver(
  parts: readonly IndexPart[],
  bases: readonly number[],
  scores: Float32Array,
  named: Map<number, number>,
): void {
  parts.forEach(({ segment, chosen }, part) => {
    if (chosen === undefined) return;
    const base = bases[part] as number;
    for (let ordinal = 0; ordinal < segment.count; ordinal += 1) {
      if (chosen.has(segment.chunks[ordinal] as number)) continue;
      scores[base + ordinal] = 0;
      named.delete(base + ordinal);
    }
  });
}

/** The places of the best, best first: a heap's worth, kept sorted, since `limit` is small beside what is looked at. */
function best(
  parts: readonly IndexPart[],
  bases: readonly number[],
  scores: Float32Array,
  named: ReadonlyMap<number, number>,
  limit: number,
): readonly number[] {
  const tieOf = (place: number) => {
    const part = partOf(bases, place);
    return parts[part]?.segment.ties[place - (bases[part] as number)] as number;
  };
  const before = (a: number, b: number): boolean => {
    const level = (named.get(a) ?? 0) - (named.get(b) ?? 0);
    if (level !== 0) return level > 0;
    const [one, other] = [scores[a] as number, scores[b] as number];
    return one === other ? tieOf(a) < tieOf(b) : one > other;
  };
  const kept: number[] = [];
  const offer = (place: number) => {
    if (kept.length === limit && !before(place, kept[limit - 1] as number)) return;
    let at = kept.length < limit ? kept.length : limit - 1;
    for (; at > 0 && before(place, kept[at - 1] as number); at -= 1) kept[at] = kept[at - 1] as number;
    kept[at] = place;
  };
  for (const place of named.keys()) offer(place);
  let least = 0;
  for (let place = 0; place < scores.length; place += 1) {
    const score = scores[place] as number;
    if (score <= 0 || score < least || named.has(place)) continue;
    offer(place);
    if (kept.length === limit && named.size === 0) least = scores[kept[limit - 1] as number] as number;
  }
  return kept;
}

function termScore({ term, places, scores }: TermHits, place: number): readonly TermScore[] {
  let low = 0;
  let high = places.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const found = places[middle] as number;
    if (found === place) return [{ term, score: scores[middle] as number }];
    if (found < place) low = middle + 1;
    else high = middle - 1;
  }
  return [];
}
