/**
 * What stands before a text that is embedded: models that were trained with such words find less without them, and say nothing
 * of it.
 *
 * 1. Vectors with and without them are not of one kind: what a collection keeps as its model's digest is of both.
 */
import { createHash } from 'node:crypto';
import type { ModelDocument, TextPrefixes } from '@gryphgen/protocol';

const sentence = 'Represent this sentence for searching relevant passages: ';

/** As their authors say in the models' cards; by the name in the file. */
const usual: readonly (readonly [RegExp, TextPrefixes])[] = [
  [/\be5 (small|base|large)\b(?!.*instruct)/, { query: 'query: ', passage: 'passage: ' }],
  [/\bnomic embed text\b/, { query: 'search_query: ', passage: 'search_document: ' }],
  [/\bembedding ?gemma\b/, { query: 'task: search result | query: ', passage: 'title: none | text: ' }],
  [/\barctic embed\b.*\bv2\b/, { query: 'query: ', passage: '' }],
  [/\b(arctic embed|mxbai embed)\b/, { query: sentence, passage: '' }],
];

/** Of a model by how its file calls it: `Multilingual E5 Large`, `nomic-embed-text-v1.5`. */
export function usualPrefixes(name: string): TextPrefixes | undefined {
  const words = name.toLowerCase().replace(/[^a-z0-9]+/g, ' ');
  return usual.find(([pattern]) => pattern.test(words))?.[1];
}

/** Of what makes vectors of texts: the file, and what stands before them. `sha256:…` */
export function embeddingDigest({
  artifact,
  prefixes,
}: Pick<ModelDocument, 'artifact' | 'prefixes'>): string {
  if (prefixes === undefined) return artifact.digest;
  const { query, passage } = prefixes;
  const both = JSON.stringify([artifact.digest, query, passage]);
  return `sha256:${createHash('sha256').update(both).digest('hex')}`;
}
