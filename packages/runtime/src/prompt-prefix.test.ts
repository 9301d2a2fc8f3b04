import { limits } from '@gryphgen/protocol';
import { expect, it } from 'vitest';
import { prefixesOf } from './prompt-prefix.ts';

const hashes = (request: unknown) => prefixesOf(new TextEncoder().encode(JSON.stringify(request)));
const said = (...words: readonly string[]) => words.map((content) => ({ role: 'user', content }));

it('a chat that goes on has the hashes of what was said before', () => {
  const [first, ...more] = hashes({ messages: said('one'), temperature: 1 });
  expect(more).toEqual([]);
  const longer = hashes({ messages: said('one', 'two', 'three'), temperature: 0 });
  expect(longer).toHaveLength(3);
  expect(longer[0]).toBe(first);
  expect(hashes({ messages: said('one', 'two') })).toEqual(longer.slice(0, 2));
  expect(hashes({ messages: said('other', 'two') })).not.toContain(longer[1]);
  expect(hashes({ messages: said('one'), system: 'be brief' })).not.toContain(first);
});

it('a text has them at lengths that double', () => {
  const text = 'the worker sends a heartbeat. '.repeat(100);
  const found = hashes({ prompt: text });
  expect(found).toHaveLength(4);
  expect(hashes({ prompt: `${text.slice(0, 1024)} and more`.padEnd(3000) }).slice(0, 3)).toEqual(
    found.slice(0, 3),
  );
  expect(hashes({ input: 'short' })).toEqual([]);
});

it('there are so many at most, and none of what is no prompt', () => {
  const long = hashes({ messages: said(...Array.from({ length: 100 }, (_, nth) => `${nth}`)) });
  expect(long).toHaveLength(limits.prefixes);
  expect(long[0]).toBe(hashes({ messages: said('0') })[0]);
  expect(prefixesOf(new TextEncoder().encode('no JSON'))).toEqual([]);
  expect(hashes({ messages: 'none' })).toEqual([]);
  expect(hashes([])).toEqual([]);
});
