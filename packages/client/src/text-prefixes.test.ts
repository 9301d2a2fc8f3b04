import { describe, expect, it } from 'vitest';
import { embeddingDigest, usualPrefixes } from './text-prefixes.ts';

describe('what a model wants before texts', () => {
  it.each([
    ['Multilingual E5 Large', 'query: '],
    ['intfloat_e5-base-v2', 'query: '],
    ['nomic-embed-text-v1.5', 'search_query: '],
    ['Embeddinggemma 300M', 'task: search result | query: '],
    ['Snowflake Arctic Embed L v2.0', 'query: '],
    ['snowflake-arctic-embed-m', 'Represent this sentence for searching relevant passages: '],
    ['Mxbai Embed Large v1', 'Represent this sentence for searching relevant passages: '],
  ])('%s', (name, query) => {
    expect(usualPrefixes(name)?.query).toBe(query);
  });

  it.each(['bge-small-en-v1.5', 'Multilingual E5 Large Instruct', 'all-MiniLM-L6-v2', 'note5-base', ''])(
    'is not known of %o',
    (name) => {
      expect(usualPrefixes(name)).toBeUndefined();
    },
  );
});

it('other prefixes make other vectors, as another file does', () => {
  const artifact = { digest: `sha256:${'a'.repeat(64)}`, bytes: 1 };
  const prefixes = { query: 'query: ', passage: '' };
  const found = [
    { artifact },
    { artifact, prefixes },
    { artifact, prefixes: { query: '', passage: 'query: ' } },
    { artifact: { ...artifact, digest: `sha256:${'b'.repeat(64)}` }, prefixes },
  ].map(embeddingDigest);
  expect(new Set(found).size).toBe(4);
  expect(found[0]).toBe(artifact.digest);
  expect(found[1]).toMatch(/^sha256:[0-9a-f]{64}$/);
});
