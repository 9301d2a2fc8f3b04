import { type RedactedKind, redactedKinds } from '@gryphgen/protocol';
import { describe, expect, it } from 'vitest';
import { plainBlock } from '../chunk/block.ts';
import { NameList, unusableName } from './names.ts';
import { PSEUDONYM, Redactor } from './redactor.ts';

const list = ['Ada Lovelace', 'José Álvarez', 'Rose', 'Conan O’Brien'];

/** Markers that show the subject, as hex of its first letters. */
function redactor(kinds: readonly RedactedKind[] = redactedKinds): Redactor {
  const subjects: string[] = [];
  return new Redactor({ kinds: new Set(kinds), names: new NameList(list) }, (kind, subject) => {
    const key = `${kind} ${subject}`;
    if (!subjects.includes(key)) subjects.push(key);
    return subjects.indexOf(key).toString(16).padStart(16, '0');
  });
}

/** What was taken out of the text, by kind. */
function taken(text: string, kinds?: readonly RedactedKind[]): readonly string[] {
  const made = redactor(kinds);
  made.text(text);
  return [...made.originals].map(([name, original]) => `${name.slice(0, name.indexOf('-'))} ${original}`);
}

const pem = '-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n-----END RSA PRIVATE KEY-----';
/** Made up, and put together here so that nobody's search for leaked keys finds them. */
const github = `gh${'p'}_16C7e42F292c6912E7710c838347Ae178B4a`;
const amazon = `AK${'IA'}IOSFODNN7EXAMPLE`;
const random = 'kX9vQ2mB7tR4wZ8nL1pC6yH3dF5gJ0sA';

describe('is taken out', () => {
  it.each<[string, readonly string[]]>([
    ['write to Ada@Example.org.', ['EMAIL Ada@Example.org']],
    [
      "'o'brien@x.co.uk', <a+b_c@mail.example.museum>",
      ["EMAIL o'brien@x.co.uk", 'EMAIL a+b_c@mail.example.museum'],
    ],
    ['ada@example.org.json', ['EMAIL ada@example.org']],
    ['mailto:ada%40example.org', ['EMAIL ada%40example.org']],
    ['jörg@müller.de and 用户@例子.公司', ['EMAIL jörg@müller.de', 'EMAIL 用户@例子.公司']],
    ['call +49 30 1234567 today', ['PHONE +49 30 1234567']],
    ['+44 (0)20 7946 0958, +1-555-234-5678', ['PHONE +44 (0)20 7946 0958', 'PHONE +1-555-234-5678']],
    ['(555) 234-5678 or 555.234.5679', ['PHONE (555) 234-5678', 'PHONE 555.234.5679']],
    [
      '030/1234567; 0171-1234567; 01 42 68 53 00',
      ['PHONE 030/1234567', 'PHONE 0171-1234567', 'PHONE 01 42 68 53 00'],
    ],
    ['{"phone": "5552345678"}', ['PHONE 5552345678']],
    ['Tel.: 234567890', ['PHONE 234567890']],
    [`token ${github}`, [`KEY ${github}`]],
    [`aws ${amazon}!`, [`KEY ${amazon}`]],
    ['password = "hunter2horse"', ['KEY hunter2horse']],
    ['API_KEY: a1b2c3d4e5', ['KEY a1b2c3d4e5']],
    ['postgres://ann:s3cret@db/x', ['KEY s3cret']],
    [`before\n${pem}\nafter`, [`KEY ${pem}`]],
    [`x = "${random}"`, [`TOKEN ${random}`]],
    [
      'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-DEF_1',
      ['TOKEN eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-DEF_1'],
    ],
    ['Authorization: Bearer aB3dE5gH7jK9mN1pQ3', ['TOKEN aB3dE5gH7jK9mN1pQ3']],
    ['ada lovelace, LOVELACE, ADA and ada_lovelace', ['NAME ada lovelace']],
    ['Ada\nLovelace and AdaLovelace', ['NAME Ada\nLovelace']],
    ['Jose Alvarez met Conan O Brien', ['NAME Jose Alvarez', 'NAME Conan O Brien']],
    ['Rose has a rose', ['NAME Rose']],
  ])('%j', (text, expected) => {
    expect(taken(text)).toEqual(expected);
  });
});

describe('is left', () => {
  it.each([
    'react@18.2.0-beta.rc and logo@2x.png',
    'git@github.com:acme/grid.git',
    'npm i @scope/name@latest; @Component.foo; a@b.c',
    'getty@tty1.service',
    '2026-11-22 10:15, 01.02.2003, 01-02-2003 10, 22/11/2026',
    '192.168.1.100 and 10.0.0.1:8080 and fe80::1',
    'version 1.22.333-4444, 3.14159265, 1 000 000 bytes',
    'ISBN 978-0-306-40615-7, 4111-1111-1111-1111',
    '01 02 03 04 05 06 07 08',
    'commit 480b5e8dc75b5f53554ea0b764d1adcadfa7e5a8',
    'sha512-YPZMJhM4vJ5kFh2sq1v0s8k1xJ6m2Qw9nB4cR7tL3pD5gH8jK0aS2dF6gV9bN1mZ==',
    '550e8400-e29b-41d4-a716-446655440000',
    'parsesHttpHeaderOfAnyLengthAndReturnsTheFieldsItFound',
    'packages/retrieval/src/service/RetrievalService2/of/Something/Else.ts',
    'password: string; const token = getToken(); secret: process.env.SECRET_1',
    'apiKey: config.services.stripe2.key; password: $PASSWORD_1',
    'https://user:$TOKEN@host/x',
    '-----BEGIN PUBLIC KEY-----',
    'a primrose, prose, and Lovelacean',
  ])('%j', (text) => {
    expect(redactor().text(text)).toBe(text);
  });
});

it('one subject has one pseudonym however it is written, another has another', () => {
  const made = redactor();
  const [a, b, c, d] = made.text('Ada@X.org ada@x.ORG bob@x.org').match(PSEUDONYM) ?? [];
  expect([a === b, a === c, d]).toEqual([true, false, undefined]);
  const phone = made.text('+49 30 1234567, +49-30-1234567, 0049 30 1234567').match(PSEUDONYM);
  expect(new Set(phone).size).toBe(1);
  const name = made.text('Ada Lovelace; lovelace, ada; ADA-LOVELACE').match(PSEUDONYM);
  expect([name?.length, new Set(name).size]).toEqual([3, 1]);
  expect(made.originals.get(a as string)).toBe('Ada@X.org');
});

it('what overlaps is taken out as one, and nothing changes when it is done again', () => {
  const made = redactor();
  const once = made.text(
    `https://ada:s3cret99@example.org Ada Lovelace <ada.lovelace@example.org> ${pem} ${random}`,
  );
  expect(once).not.toMatch(/s3cret|lovelace|MIIE/i);
  expect(made.text(once)).toBe(once);
});

it('kinds that were not asked for are left', () => {
  expect(taken('Ada Lovelace, ada@example.org, +49 30 1234567', ['phone'])).toEqual(['PHONE +49 30 1234567']);
});

it('lines stay where they were, and a private key goes on over parts', () => {
  const made = redactor();
  const text = `a\n${pem}\nb`;
  expect(made.text(text).split('\n')).toHaveLength(text.split('\n').length);
  const lines = ['x', ...pem.split('\n'), 'y'];
  const parts = made.blocks(lines.map((line, at) => plainBlock(line, at + 1, at + 1, ['Ada Lovelace'])));
  expect(parts.map((one) => one.text.replaceAll(PSEUDONYM, 'P'))).toEqual(['x', 'P', 'P', 'P', 'y']);
  expect(parts[0]?.headings.join()).toMatch(/^NAME-/);
});

it('names that are in everything cannot be looked for', () => {
  expect(['Al', 'a b c d e f g', 'Ada'].map(unusableName)).toEqual([
    'it has less than 3 letters',
    'it has 7 words, at most 6',
    undefined,
  ]);
});

const megabyte = 1024 ** 2;
const hostile = [
  ...[
    '@',
    'a@',
    'a.',
    'a@a.',
    '1 ',
    '+1',
    '0-',
    '(',
    '(1',
    '1',
    'eyJ',
    'eyJa.',
    'password=',
    'password ',
    '://a:',
    'a/',
  ],
  ...[
    '-----BEGIN PRIVATE KEY-----',
    '-----BEGIN ',
    'Ada ',
    'ada.',
    'aA1',
    'sk-',
    'bearer ',
    '%40',
    '=',
    '-',
    "'",
    ' \n',
  ],
];
it.each(hostile)(
  'a line of 1 MiB of %j is gone through in bounded time',
  (part) => {
    const made = redactor();
    const text = part.repeat(Math.ceil(megabyte / part.length));
    const before = process.cpuUsage();
    made.text(text);
    const { user } = process.cpuUsage(before);
    // Of the processor, so that a busy machine fails nothing: some 100 ms; a square would take hours.
    expect(user / 1e6).toBeLessThan(20);
  },
  120_000,
);
