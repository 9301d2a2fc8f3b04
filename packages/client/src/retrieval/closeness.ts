/**
 * Whether what was found can be about the question at all; where not, no model needs to be asked.
 *
 * By words: a passage is close when it has half of the question's words, or when those that it has are rare. A word's part of a
 * score is about the logarithm of how few passages have it, so the parts add up to that of how few would have all of them
 * by chance: below ln 10 one in ten would. What is near by its meaning, or of a service that does not tell the words, is left to the model.
 */
import type { QueryResult } from '@gryphgen/protocol';

const enoughShare = 0.5;
const enoughRarity = Math.log(10);

export function isClose({ results, asked }: Pick<QueryResult, 'results' | 'asked'>): boolean {
  return results.some(({ terms }) => {
    const isByWordsAlone = !Object.keys(terms).some((term) => term.startsWith('(meaning'));
    if (asked === undefined || !isByWordsAlone) return true;
    const words = Object.entries(terms).filter(([term]) => !/^[~(]/.test(term));
    const rarity = words.reduce((sum, [, part]) => sum + part, 0);
    return words.length >= asked * enoughShare || rarity >= enoughRarity;
  });
}
