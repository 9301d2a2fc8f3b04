/** Settings that are measured, and those that are kept, as people and programs read them. */
import type { SettingsTrial } from '@gryphgen/client';
import { middle } from '@gryphgen/client';
import { formatDuration, type RoundSpeeds, servingWords, type TuningDocument } from '@gryphgen/protocol';
import { printable } from '../printable.ts';
import type { Terminal } from '../terminal.ts';
import type { WorkerTuning } from '../tuning/tune-worker.ts';
import { table } from './table.ts';
import { age } from './task-view.ts';

const titles = `${'PROMPT/S'.padStart(9)} ${'OUTPUT/S'.padStart(9)} ${'ROUND'.padStart(9)} ${'GAIN'.padStart(8)}  SETTINGS`;

/** Above the first of its lines. */
export function trialTitles(): string {
  return titles;
}

/** One line, as soon as it is measured. */
export function trialLine(
  { serving, measured, isBest }: SettingsTrial,
  untuned: RoundSpeeds | undefined,
  { style }: Pick<Terminal, 'style'>,
): string {
  const words = servingWords(serving);
  if (measured.kind === 'failed') {
    const blank = ' '.repeat(titles.indexOf('SETTINGS'));
    return `${blank}${words}: ${style.red('failed')}: ${printable(measured.why)}`;
  }
  const { speeds } = middle(measured.rounds);
  const columns = [
    rounded(speeds.promptTokensPerS).padStart(9),
    rounded(speeds.outputTokensPerS).padStart(9),
    `${Math.round(speeds.roundMs)} ms`.padStart(9),
    (untuned === undefined ? '' : gainWords(speeds, untuned)).padStart(8),
  ];
  return `${columns.join(' ')}  ${isBest ? style.green(words) : words}`;
}

/** What came of it on one worker. */
export function tunedLine({ node, devices, untuned, best, trials, isCut, isKept }: WorkerTuning): string {
  const where = `${printable(node.name)} (${devices.join(' ') || 'host'})`;
  const failed = trials.filter(({ measured }) => measured.kind === 'failed').length;
  const counted = `${trials.length} settings measured${failed === 0 ? '' : `, ${failed} of them failed`}${isCut ? ', and no more within the bounds' : ''}`;
  if (!isKept) return `${where}: nothing is better than what is usual; ${counted}`;
  const sooner = `${soonerPercent(best.speeds, untuned)} % sooner`;
  return `${where}: ${servingWords(best.serving)} answer ${sooner}, and are kept: the next instance there is begun so; ${counted}`;
}

export function tuningJson({ node, devices, untuned, best, trials, isCut, isKept }: WorkerTuning) {
  return {
    ...{ worker: node.id, workerName: node.name, devices, kept: isKept, cut: isCut, untuned },
    best: { serving: best.serving, ...best.speeds },
    trials: trials.map(({ serving, measured }) =>
      measured.kind === 'failed'
        ? { serving, failed: measured.why }
        : { serving, ...middle(measured.rounds).speeds, rounds: measured.rounds.length },
    ),
  };
}

/** What an instance is begun with there, or why with nothing of it. */
export function tuningWords({ workerName, devices, serving, best, untuned, stale }: TuningDocument): string {
  const words = `${workerName} (${devices.join(' ') || 'host'}): ${servingWords(serving)}, ${soonerPercent(best, untuned)} % sooner`;
  return stale === '' ? words : `${words}, not used: ${stale}`;
}

/** What is kept for a model. */
export function keptLines(
  tunings: readonly TuningDocument[],
  nowMs: number,
  { style, columns }: Terminal,
): readonly string[] {
  if (tunings.length === 0) return ['nothing is kept for it: "grid tune" measures'];
  return table(
    tunings,
    [
      { title: 'WORKER', value: ({ workerName }) => printable(workerName) },
      { title: 'ON', value: ({ devices }) => devices.join(' ') || 'host' },
      { title: 'GAIN', value: ({ best, untuned }) => gainWords(best, untuned), right: true },
      { title: 'OUTPUT/S', value: ({ best }) => rounded(best.outputTokensPerS), right: true },
      { title: 'LOAD', value: ({ load }) => String(load), right: true },
      { title: 'MEASURED', value: ({ at }) => `${age(nowMs - at)} ago` },
      { title: 'SETTINGS', value: ({ serving }) => servingWords(serving) },
      {
        title: 'WHY',
        value: ({ stale }) => (stale === '' ? '' : style.yellow(`not used: ${printable(stale)}`)),
      },
    ],
    columns,
  );
}

/** How much sooner a round is answered. */
function gainWords(speeds: RoundSpeeds, untuned: RoundSpeeds): string {
  const percent = soonerPercent(speeds, untuned);
  return `${percent > 0 ? '+' : ''}${percent} %`;
}

/** Of a round. */
function soonerPercent({ roundMs }: RoundSpeeds, untuned: RoundSpeeds): number {
  return Math.round(100 * (1 - roundMs / untuned.roundMs));
}

export function rounded(value: number): string {
  return value < 10 ? value.toFixed(1) : String(Math.round(value));
}

/** Before it begins. */
export function boundsWords(model: string, trials: number, ms: number): string {
  return `measuring ${model}: at most ${trials} settings on each worker, none begun after ${formatDuration(ms)}; Ctrl-C ends it, and nothing is kept`;
}
