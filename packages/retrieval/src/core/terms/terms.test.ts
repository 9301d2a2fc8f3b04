import { expect, it } from 'vitest';
import { nameTerms, runsOf, termsOfRun } from './terms.ts';

const terms = (text: string) =>
  runsOf(text).flatMap((run) => {
    const { words, compound } = termsOfRun(run);
    return compound === null ? words : [...words, compound];
  });

it('a word by its stem, without stop words and accents', () => {
  expect(terms('The Connections of connected cafés')).toEqual(['connect', 'connect', 'cafe']);
  expect(terms('cafe\u0301 Straße ракета')).toEqual(['cafe', 'straße', 'ракета']);
});

it.each(['parseHttpHeader', 'parse_http_header', 'ParseHTTPHeader', '_PARSE_HTTP_HEADER'])(
  'an identifier by its words and by itself: %s',
  (identifier) => expect(terms(identifier)).toEqual(['pars', 'http', 'header', '~parsehttpheader']),
);

it('keeps digits with the word before them', () => {
  expect(terms('utf8 toBase64 v2')).toEqual(['utf8', 'base64', '~tobase64', 'v2']);
});

it('an identifier of stop words alone is still itself', () => {
  expect(terms('is_not')).toEqual(['~isnot']);
});

it('scripts without spaces by pairs', () => {
  expect(terms('月へ行く ロ')).toEqual(['月へ', 'へ行', '行く', 'ロ']);
});

it('data is no word', () => {
  expect(terms('a'.repeat(200))).toEqual([]);
  expect(terms(`key${'9'.repeat(50)}`)).toEqual([]);
  expect(terms('\u0000 \ud800 -- ""')).toEqual([]);
});

it('a name as it is written, and in any writing', () => {
  expect(nameTerms('  Parse  HTTP_header ')).toEqual(['=Parse HTTP_header', '^parsehttpheader']);
  expect(nameTerms(' ')).toBeUndefined();
  expect(nameTerms('x'.repeat(400))).toBeUndefined();
});
