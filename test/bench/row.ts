/** What a benchmark says: one number with its unit and, where it was measured in the same run, what it is held against. */

export interface Row {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What `ratio` compares with: `value` is `ratio` times that. */
  readonly against?: string;
  readonly ratio?: number;
}

/** Three significant digits: more would be noise. */
export function row(name: string, value: number, unit: string): Row {
  return { name, value: significant(value), unit };
}

export function comparedRow(
  name: string,
  value: number,
  unit: string,
  other: { readonly name: string; readonly value: number },
): Row {
  return { ...row(name, value, unit), against: other.name, ratio: significant(value / other.value) };
}

export function renderRows(rows: readonly Row[]): string {
  const lines = rows.map(({ name, value, unit, against, ratio }) => [
    name,
    value.toLocaleString('en'),
    unit,
    against === undefined ? '' : `${ratio} × ${against}`,
  ]);
  const widths = [0, 1, 2].map((column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map(([name = '', value = '', unit = '', ratio = '']) =>
      `${name.padEnd(widths[0] ?? 0)}  ${value.padStart(widths[1] ?? 0)} ${unit.padEnd(widths[2] ?? 0)}  ${ratio}`.trimEnd(),
    )
    .join('\n');
}

function significant(value: number): number {
  return Number.isFinite(value) ? Number(value.toPrecision(3)) : 0;
}
