import fc from 'fast-check';
import { expect, it } from 'vitest';
import { foldedSubject, hasSubject, subjectPattern, subjectSpan } from './subject.ts';

const has = (text: string, subject: string) => hasSubject(text, foldedSubject(subject) ?? '');
const matches = (text: string, subject: string) =>
  [...Buffer.from(text).toString('latin1').matchAll(subjectPattern(subject))].map(([match]) => match.length);

it('a subject is found however it is written, and others are not', () => {
  for (const text of [
    'to Zoë Smith.',
    'ZOË\n  SMITH',
    'zoe-smith@example.com',
    'zoeSmithKey',
    'Zoe\u0308 Smith',
    'Zoë\u2003\u3000Smith',
  ])
    expect([text, has(text, 'Zoë Smith'), matches(text, 'Zoë Smith').length]).toEqual([text, true, 1]);
  expect([has('Zoe Brown, Ann Smith', 'Zoë Smith'), matches('Zoe Brown, Ann Smith', 'Zoë Smith')]).toEqual([
    false,
    [],
  ]);
  expect(matches('a+b? (c) a+b? (c)', 'A+B? (C)')).toHaveLength(2);
});

it('what is in everything is no subject', () => {
  expect([foldedSubject('a-b'), foldedSubject(' \n'), foldedSubject('-- a')]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  expect(foldedSubject('a b c')).toBe('abc');
});

it('what is written as given is found in text and bytes, in no more of them than it may span', () => {
  const subjects = fc
    .string({ unit: 'grapheme', minLength: 3, maxLength: 20 })
    .filter((text) => foldedSubject(text) !== undefined);
  fc.assert(
    fc.property(subjects, fc.string({ unit: 'grapheme' }), (subject, around) => {
      expect(has(`${around} ${subject} ${around}`, subject)).toBe(true);
      const found = matches(`${around} ${subject.normalize('NFC')} ${around}`, subject);
      expect(found.length).toBeGreaterThan(0);
      for (const length of found) expect(length).toBeLessThanOrEqual(subjectSpan(subject));
    }),
  );
});
