import { expect, it } from 'vitest';
import { RedactionKey } from './redaction-key.ts';

const [one, other] = [1, 2].map((byte) => new RedactionKey(Buffer.alloc(32, byte))) as [
  RedactionKey,
  RedactionKey,
];

it('a subject has one marker by a key, and another by another', () => {
  expect(one.marker('email', 'ada@x.org')).toMatch(/^[0-9a-f]{16}$/);
  expect(one.marker('email', 'ada@x.org')).toBe(one.marker('email', 'ada@x.org'));
  const others = [
    other.marker('email', 'ada@x.org'),
    one.marker('name', 'ada@x.org'),
    one.marker('email', 'bob@x.org'),
  ];
  expect(new Set([one.marker('email', 'ada@x.org'), ...others]).size).toBe(4);
});

it('what is sealed opens by its key and its name alone, and is never sealed alike', () => {
  const sealed = one.seal('NAME-1', 'Ada');
  expect(one.open('NAME-1', sealed)).toBe('Ada');
  expect([
    one.open('NAME-2', sealed),
    other.open('NAME-1', sealed),
    one.open('NAME-1', Buffer.alloc(5)),
  ]).toEqual(Array(3).fill(undefined));
  const bent = Buffer.from(sealed);
  bent[13] = (bent[13] as number) ^ 1;
  expect(one.open('NAME-1', bent)).toBeUndefined();
  expect(one.seal('NAME-1', 'Ada')).not.toEqual(sealed);
});
