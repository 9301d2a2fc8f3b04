/** TREC's text formats, which every evaluation tool reads. Fields are separated by white space; blank lines are skipped. */
import type { Judgments } from './measures.ts';

export type TrecRead<Value> =
  | { readonly kind: 'read'; readonly value: Value }
  | { readonly kind: 'wrong'; readonly line: number; readonly why: string };

/** `query 0 document relevance` a line. */
export function readQrels(text: string): TrecRead<ReadonlyMap<string, Judgments>> {
  const qrels = new Map<string, Map<string, number>>();
  for (const [at, fields] of rowsOf(text)) {
    const [query, , document, relevance] = fields;
    if (query === undefined || document === undefined || !/^-?\d+$/.test(relevance ?? ''))
      return { kind: 'wrong', line: at, why: 'expected: query 0 document relevance' };
    const judgments = qrels.get(query) ?? new Map<string, number>();
    judgments.set(document, Number(relevance));
    qrels.set(query, judgments);
  }
  return { kind: 'read', value: qrels };
}

/** `query Q0 document rank score tag` a line. Ordered by score as trec_eval does, which does not look at the rank. */
export function readRun(text: string): TrecRead<ReadonlyMap<string, readonly string[]>> {
  const scored = new Map<string, { readonly document: string; readonly score: number }[]>();
  for (const [at, fields] of rowsOf(text)) {
    const [query, , document, , shown] = fields;
    const score = Number(shown);
    if (query === undefined || document === undefined || shown === undefined || Number.isNaN(score))
      return { kind: 'wrong', line: at, why: 'expected: query Q0 document rank score tag' };
    const rows = scored.get(query) ?? [];
    rows.push({ document, score });
    scored.set(query, rows);
  }
  const ordered = [...scored].map(([query, rows]) => {
    // Of one score, the later name first.
    rows.sort((a, b) => b.score - a.score || (a.document < b.document ? 1 : -1));
    return [query, rows.map(({ document }) => document)] as const;
  });
  return { kind: 'read', value: new Map(ordered) };
}

/** Line numbers count from 1. */
function rowsOf(text: string): readonly (readonly [line: number, fields: readonly string[]])[] {
  return text.split('\n').flatMap((line, at) => {
    const fields = line.split(/\s+/).filter((field) => field !== '');
    return fields.length === 0 ? [] : [[at + 1, fields] as const];
  });
}
