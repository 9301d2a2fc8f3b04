/**
 * Cuts a text that is too long for one chunk: at a blank line where there is one, else at the end of a line, within an
 * overlong line at the end of a sentence or word, and in what has neither wherever the bound is.
 */
import type { ChunkLimits } from './block.ts';

/** Lines count from 0 within the text. */
export interface Piece {
  readonly text: string;
  readonly line: number;
  readonly lastLine: number;
}

/** A line, or a part of one that is too long. `end` is exclusive, line break included. */
interface Unit {
  readonly start: number;
  readonly end: number;
  readonly line: number;
}

/** Pieces of at most `maxChars`, none of them blank, in order. */
export function splitText(text: string, limits: ChunkLimits): readonly Piece[] {
  const units = unitsOf(text, limits.maxChars);
  const pieces: Piece[] = [];
  for (let from = 0; from < units.length; ) {
    const to = pieceEnd(text, units, from, limits);
    const [first, last] = [units[from] as Unit, units[to - 1] as Unit];
    const piece = text.slice(first.start, last.end).replace(/\n+$/, '');
    if (piece.trim() !== '') pieces.push({ text: piece, line: first.line, lastLine: last.line });
    if (to === units.length) break;
    from = overlapStart(units, from, to, limits.overlapChars);
  }
  return pieces;
}

/** As many units as fit; but back to the last blank line, if that leaves half of them. */
function pieceEnd(text: string, units: readonly Unit[], from: number, limits: ChunkLimits): number {
  const { start } = units[from] as Unit;
  let to = from + 1;
  let blank = 0;
  while (to < units.length) {
    const unit = units[to] as Unit;
    if (unit.end - start > limits.maxChars) break;
    if (text.slice(unit.start, unit.end).trim() === '' && unit.end - start > limits.maxChars / 2) blank = to;
    to += 1;
  }
  return to < units.length && blank > from ? blank : to;
}

/** The next piece begins with the last units of this one, as far as they fit the overlap; always further than this one did. */
function overlapStart(units: readonly Unit[], from: number, to: number, overlapChars: number): number {
  const { end } = units[to - 1] as Unit;
  let start = to;
  while (start - 1 > from && end - (units[start - 1] as Unit).start <= overlapChars) start -= 1;
  return start;
}

function unitsOf(text: string, maxChars: number): readonly Unit[] {
  const units: Unit[] = [];
  for (let start = 0, line = 0; start < text.length; line += 1) {
    const newline = text.indexOf('\n', start);
    const end = newline === -1 ? text.length : newline + 1;
    while (end - start > maxChars) {
      const at = cutWithin(text, start, start + maxChars);
      units.push({ start, end: at, line });
      start = at;
    }
    units.push({ start, end, line });
    start = end;
  }
  return units;
}

/** In the second half of the stretch if possible: after a sentence, else after a word, else between two characters. */
function cutWithin(text: string, start: number, bound: number): number {
  const middle = start + Math.floor((bound - start) / 2);
  const half = text.slice(middle, bound);
  for (const after of ['. ', '? ', '! ', '; ', ', ', ' ']) {
    const at = half.lastIndexOf(after);
    if (at !== -1) return middle + at + after.length;
  }
  const code = text.charCodeAt(bound - 1);
  const splitsPair = code >= 0xd800 && code < 0xdc00;
  return splitsPair ? bound - 1 : bound;
}
