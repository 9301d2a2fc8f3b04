/** Columns for people: aligned, cut to the terminal's width, never wrapped. Colours do not count as width. */

export interface Column<T> {
  readonly title: string;
  readonly value: (row: T) => string;
  /** Numbers read better aligned to the right. */
  readonly right?: boolean;
}

const gap = '  ';
const escapeChar = String.fromCharCode(27);
// Escape sequences that styleOf makes.
const escapes = new RegExp(`${escapeChar}\\[[0-9]+m`, 'g');
const escapesAndCharacters = new RegExp(`${escapeChar}\\[[0-9]+m|.`, 'gsu');

/** Lines without line ends, the first of them the titles. */
export function table<T>(
  rows: readonly T[],
  columns: readonly Column<T>[],
  maxColumns: number,
): readonly string[] {
  const cells = [
    columns.map(({ title }) => title),
    ...rows.map((row) => columns.map(({ value }) => value(row))),
  ];
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => widthOf(line[index] ?? ''))));
  return cells.map((line) => {
    const padded = line.map((cell, index) => pad(cell, widths[index] ?? 0, columns[index]?.right === true));
    return cut(padded.join(gap).trimEnd(), maxColumns);
  });
}

/** In columns of a terminal, which gives letters of East Asia and most emoji two. */
export function widthOf(text: string): number {
  return [...text.replace(escapes, '')].reduce((width, char) => width + columnsOf(char), 0);
}

const wide =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\u3000-\u303e\uff01-\uff60]/u;
const withoutWidth = /\p{Mn}|\p{Me}|[\u200b-\u200f]/u;

function columnsOf(char: string): number {
  if (withoutWidth.test(char)) return 0;
  return wide.test(char) ? 2 : 1;
}

function pad(text: string, width: number, right: boolean): string {
  const fill = ' '.repeat(Math.max(0, width - widthOf(text)));
  return right ? fill + text : text + fill;
}

/** Escape sequences are kept, also those after the cut: what was opened before it is closed. */
function cut(line: string, maxColumns: number): string {
  if (widthOf(line) <= maxColumns) return line;
  let room = Math.max(1, maxColumns - 1);
  let isCut = false;
  return line.replace(escapesAndCharacters, (piece) => {
    if (piece.length > 1 && piece.startsWith(escapeChar)) return piece;
    room -= columnsOf(piece);
    if (room >= 0) return piece;
    room = 0;
    const mark = isCut ? '' : '…';
    isCut = true;
    return mark;
  });
}
