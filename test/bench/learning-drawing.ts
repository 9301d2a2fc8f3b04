/** The drawing of how placement learns, of the rows that were printed of it: the same bytes from the same numbers. */
import type { Row } from './row.ts';

interface Point {
  readonly seen: number;
  readonly learned: number;
  readonly scores: number;
}

const panel = { width: 280, height: 200, gap: 24, left: 44, top: 56, bottom: 64 } as const;
const ink = { learned: '#0969da', scores: '#cf7a00', text: '#57606a', line: '#d0d7de' } as const;

function pointsOf(rows: readonly Row[]): ReadonlyMap<number, readonly Point[]> {
  const byLoad = new Map<number, Point[]>();
  for (const { name, value, ratio = 1 } of rows) {
    const [, load, seen] = /^mixed\.learning\.(\d+)\.(\d+)$/.exec(name) ?? [];
    if (load === undefined || seen === undefined) continue;
    const points = byLoad.get(Number(load)) ?? [];
    byLoad.set(Number(load), points);
    points.push({ seen: Number(seen), learned: value, scores: value / ratio });
  }
  return byLoad;
}

/** SVG. `rows`: those named mixed.learning.LOAD.TASKS among them. */
export function learningDrawing(rows: readonly Row[]): string {
  const byLoad = pointsOf(rows);
  const all = [...byLoad.values()].flat();
  const highest =
    Math.ceil(10 * Math.max(1.1, ...all.flatMap(({ learned, scores }) => [learned, scores]))) / 10;
  const lowest =
    Math.floor(10 * Math.min(1, ...all.flatMap(({ learned, scores }) => [learned, scores]))) / 10;
  const most = Math.max(...all.map(({ seen }) => seen));
  const step = highest - lowest > 1.2 ? 0.5 : highest - lowest > 0.6 ? 0.2 : 0.1;
  const ticks = Array.from(
    { length: Math.floor((highest - lowest) / step + 1e-9) + 1 },
    (_, at) => lowest + at * step,
  );
  const panels = [...byLoad].map(([load, points], at) => {
    const left = panel.left + at * (panel.width + panel.gap);
    const x = (seen: number) => round(left + (panel.width * seen) / most);
    const y = (times: number) => round(panel.top + (panel.height * (highest - times)) / (highest - lowest));
    const line = (of: 'learned' | 'scores') =>
      `<polyline fill="none" stroke="${ink[of]}" stroke-width="2" points="${points.map((point) => `${x(point.seen)},${y(point[of])}`).join(' ')}"/>`;
    const grid = ticks.map((tick) => {
      const words = at === 0 ? label(left - 6, y(tick) + 4, tick.toFixed(1), 'end') : '';
      return `<line x1="${left}" x2="${left + panel.width}" y1="${y(tick)}" y2="${y(tick)}" stroke="${ink.line}"/>${words}`;
    });
    const marks = [0, most / 2, most].map((seen) =>
      label(x(seen), panel.top + panel.height + 16, String(seen), 'middle'),
    );
    const title = label(left + panel.width / 2, panel.top - 10, `load ${load} %`, 'middle');
    return [title, ...grid, ...marks, line('scores'), line('learned')].join('\n');
  });
  const width = panel.left + byLoad.size * (panel.width + panel.gap);
  const height = panel.top + panel.height + panel.bottom;
  const legend = [
    label(
      panel.left,
      20,
      'Mean completion, times that of the same placement with perfect knowledge',
      'start',
    ),
    `<line x1="${panel.left}" x2="${panel.left + 24}" y1="${height - 12}" y2="${height - 12}" stroke="${ink.learned}" stroke-width="2"/>`,
    label(panel.left + 30, height - 8, 'learning what runs take', 'start'),
    `<line x1="${panel.left + 220}" x2="${panel.left + 244}" y1="${height - 12}" y2="${height - 12}" stroke="${ink.scores}" stroke-width="2"/>`,
    label(panel.left + 250, height - 8, 'by scores alone', 'start'),
    label(width - panel.gap, height - 24, 'tasks seen', 'end'),
  ];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    '<title>How placement learns: mean completion over that with perfect knowledge, by tasks seen</title>',
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...legend,
    ...panels,
    '</svg>',
    '',
  ].join('\n');
}

function label(x: number, y: number, words: string, anchor: 'start' | 'middle' | 'end'): string {
  return `<text x="${x}" y="${y}" fill="${ink.text}" text-anchor="${anchor}">${words}</text>`;
}

function round(value: number): number {
  return Math.round(10 * value) / 10;
}
