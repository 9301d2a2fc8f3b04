/** Passages as a question is answered with them. */
import type { Passage } from '@gryphgen/protocol';
import type * as stored from '../store/store.ts';
import { machineOf, pathOf } from './file-key.ts';

export function bestOfFiles(found: readonly stored.Passage[]): readonly stored.Passage[] {
  const best = new Map<string, stored.Passage>();
  for (const passage of found) if (!best.has(passage.source.key)) best.set(passage.source.key, passage);
  return [...best.values()];
}

/** `revision`: that its source is as of. */
export function shown(passage: stored.Passage, revision: string | undefined): Passage {
  const { score, source, startLine, endLine, headings, symbols, place, text, terms, named } = passage;
  const { key, title } = source;
  const heading = headings.at(-1) ?? title;
  const symbol = symbols.at(-1);
  return {
    score: rounded(score),
    machine: machineOf(key),
    source: pathOf(key),
    lines: [startLine, endLine],
    ...(place !== undefined && { place }),
    ...(revision !== undefined && { revision }),
    ...(heading !== null && heading !== undefined && { title: heading }),
    ...(symbol !== undefined && { symbol }),
    text,
    terms: Object.fromEntries(terms.map((one) => [one.term, rounded(one.score)])),
    ...(named !== null && { named }),
  };
}

/** A place among others is all that is asked. */
export function withoutText({ text: _text, title: _title, symbol: _symbol, ...rest }: Passage): Passage {
  return { ...rest, terms: {} };
}

function rounded(score: number): number {
  return Math.round(score * 10_000) / 10_000;
}
