import { expect, it } from 'vitest';
import { readEnvFile } from './env-file.ts';

const read = (content: string | Uint8Array, env: Record<string, string> = {}) =>
  readEnvFile('a.env', Buffer.from(content), env);

it('is read as docker reads it', () => {
  const text = [
    '\ufeff# a comment',
    '',
    'A=b',
    '  B = c ',
    'QUOTED="x y"',
    'C=a=b#c',
    'EMPTY=',
    'CRLF=x\r',
    'HERE',
    'NOT_HERE',
    'A=again',
  ].join('\n');
  expect(read(text.replace('  B = c ', '  B= c '), { HERE: 'from the environment' })).toEqual({
    ok: true,
    variables: {
      A: 'again',
      B: ' c ',
      QUOTED: '"x y"',
      C: 'a=b#c',
      EMPTY: '',
      CRLF: 'x',
      HERE: 'from the environment',
    },
  });
  expect(read('')).toEqual({ ok: true, variables: {} });
});

it.each([
  ['A=1\nB C=2\n', 'a.env:2: found "B C", expected a name of letters, digits and _'],
  ['=x\n', 'a.env:1: found "", expected'],
  ['export A=1', 'a.env:1: found "export A", expected'],
  ['A-B', 'a.env:1: found "A-B", expected'],
  ['A=1\n\nB=\0', 'a.env:3: B: expected text'],
  ['__proto__=1', 'a.env:1: found "__proto__"'],
  [Uint8Array.from([65, 61, 10, 66, 61, 0xff]), 'a.env:2: found bytes that are no UTF-8'],
  ['x'.repeat(1024 * 1024 + 1), 'a.env:1: found more than'],
])('says where it is wrong: %#', (content, words) => {
  const found = read(content);
  expect(found.ok ? '' : found.problems.join('\n')).toContain(words);
});
