/** What stands beside passages that were found, to be read where there is room left: behind all of them. */
import type { Passage } from '@gryphgen/protocol';

export interface ReadPassage extends Omit<Passage, 'around'> {
  readonly beside?: true;
}

/** The best one's first. They have its score, by which they are read. */
export function withBeside(found: readonly Passage[]): readonly ReadPassage[] {
  const alone = found.map(({ around: _, ...passage }) => passage);
  const beside = found.flatMap(({ around = [], symbol: _, named: __, title: ___, ...hit }) =>
    around.map((one) => ({ ...hit, ...one, terms: {}, beside: true as const })),
  );
  return [...alone, ...beside];
}
