/**
 * What a person wants forgotten, however it is written: in any case, with or without accents, on one line or two, as a part of an
 * identifier. Rather too much is forgotten than too little.
 */

/** Shorter ones are in everything. */
const MIN_CHARS = 3;
const SEPARATORS = /[\s_-]+/g;
/** What of these is more than a byte of UTF-8, as latin1 has the bytes. */
const WIDE_SPACES = [...'\u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff']
  .concat(Array.from({ length: 11 }, (_, at) => String.fromCharCode(0x2000 + at)))
  .map((space) => Buffer.from(space).toString('latin1'));
const WIDEST_BYTES = 3;
/** Between two characters of it, at most so many of those that do not count. */
const MAX_SEPARATORS = 8;

/** Undefined for one that is too short to be meant. */
export function foldedSubject(subject: string): string | undefined {
  const folded = fold(subject);
  return [...folded].length < MIN_CHARS ? undefined : folded;
}

/** `subject`: folded. */
export function hasSubject(text: string, subject: string): boolean {
  return fold(text).includes(subject);
}

function fold(text: string): string {
  return text
    .normalize('NFKD')
    .replaceAll(/\p{M}+/gu, '')
    .toLowerCase()
    .replaceAll(SEPARATORS, '');
}

/**
 * Finds it in the bytes of a file, which are to be decoded as latin1: as UTF-8, in any case, whole or parted, accents as given or
 * left out. It matches at most `subjectSpan` characters.
 */
export function subjectPattern(subject: string): RegExp {
  const parts = [...subject.normalize('NFC').replaceAll(SEPARATORS, '')].map((character) => {
    const bare = character.normalize('NFD').replaceAll(/\p{M}+/gu, '');
    const forms = [character, character.normalize('NFD'), bare].flatMap((form) => [
      form,
      form.toLowerCase(),
      form.toUpperCase(),
    ]);
    const written = [...new Set(forms)].map((form) => escaped(Buffer.from(form).toString('latin1')));
    return `(?:${written.join('|')})`;
  });
  return new RegExp(parts.join(`(?:[\\s_-]|${WIDE_SPACES.join('|')}){0,${MAX_SEPARATORS}}`), 'g');
}

export function subjectSpan(subject: string): number {
  return Buffer.byteLength(subject.normalize('NFD')) * (WIDEST_BYTES * MAX_SEPARATORS + 2);
}

const escaped = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
