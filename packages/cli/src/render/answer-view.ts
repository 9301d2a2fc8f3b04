/** Answers from collections, as people and programs read them. */
import type { Citation, CollectionAnswer } from '@gryphgen/client';
import { shownWords } from '../models/shown-words.ts';
import { printable } from '../printable.ts';
import type { Terminal } from '../terminal.ts';
import { behindLine, missingLine } from './rag-view.ts';

export function answerLines(answer: CollectionAnswer, { isTty, style }: Terminal): readonly string[] {
  const { citations, unknownCitations, supported, wordsAlone, missing, behind } = answer;
  const found = [
    ...(wordsAlone === undefined ? [] : [`found by words alone: ${printable(wordsAlone)}`]),
    ...(missing === undefined ? [] : [missingLine(missing)]),
    ...(behind === undefined ? [] : [behindLine(behind)]),
  ].map((line) => style.yellow(line));
  if (answer.answer === null) return [`not in the collection: ${printable(answer.why)}`, ...found];
  const sources = [...citations].sort((a, b) => a.number - b.number).map((one) => sourceLine(one));
  const notes = [
    ...(supported ? [] : ['unsupported: it cites nothing that was read, so do not rely on it']),
    ...(unknownCitations.length === 0
      ? []
      : [`left out: ${unknownCitations.map((number) => `[${number}]`).join(' ')}, which are no passages`]),
  ];
  return [
    shownWords(answer.answer, { isTty }),
    '',
    ...sources.map((line) => style.bold(line)),
    ...notes.map((note) => style.yellow(note)),
    ...found,
  ];
}

function sourceLine({ number, source, lines: [first, last], place, revision, title }: Citation): string {
  const within = place === undefined ? '' : ` (${printable(place)})`;
  const asOf = revision === undefined ? '' : ` at ${revision.slice(0, 12)}`;
  const heading = title === undefined ? '' : `  ${printable(title)}`;
  return `[${number}] ${printable(source)}:${first}-${last}${within}${asOf}${heading}`;
}

/** Lines as results of queries have them: `3-9`. */
export function answerJson({ citations, passages, ...answer }: CollectionAnswer): object {
  const { answer: text, found, supported, why, ...rest } = answer;
  return {
    ...{ answer: text, found, supported },
    ...(why !== '' && { why }),
    citations: citations.map(withLines),
    passages: passages.map(withLines),
    ...rest,
  };
}

function withLines<T extends { readonly lines: readonly [number, number] }>({
  lines,
  ...rest
}: T): Omit<T, 'lines'> & { readonly lines: string } {
  return { ...rest, lines: lines.join('-') };
}
