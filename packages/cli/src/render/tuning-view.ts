/** Settings that are measured, and those that are kept, as people and programs read them. */
import { middle, type RoundShape, type SettingsTrial } from '@gryphgen/client';
import {
  formatDuration,
  type ModelUse,
  type RoundSpeeds,
  servingWords,
  type TuningDocument,
} from '@gryphgen/protocol';
import { printable } from '../printable.ts';
import type { Terminal } from '../terminal.ts';
import type { WorkerTuning } from '../tuning/tune-worker.ts';
import { table } from './table.ts';
import { age } from './task-view.ts';

/** What of a round is told. */
interface Told {
  readonly prompt: string;
  readonly other: string;
  readonly otherOf: (speeds: RoundSpeeds) => string;
}
const ofReading: Told = {
  prompt: 'INPUT/S',
  other: 'REQUEST',
  otherOf: ({ requestMs }) => msWords(requestMs),
};
const told: Readonly<Record<ModelUse, Told>> = {
  infer: {
    prompt: 'PROMPT/S',
    other: 'OUTPUT/S',
    otherOf: ({ outputTokensPerS }) => rounded(outputTokensPerS),
  },
  embed: ofReading,
  rerank: ofReading,
};

/** Above the first of its lines. */
export function trialTitles(use: ModelUse): string {
  const { prompt, other } = told[use];
  return `${prompt.padStart(9)} ${other.padStart(9)} ${'ROUND'.padStart(9)} ${'GAIN'.padStart(8)}  SETTINGS`;
}

/** One line, as soon as it is measured. */
export function trialLine(
  use: ModelUse,
  { serving, measured, isBest }: SettingsTrial,
  untuned: RoundSpeeds | undefined,
  { style }: Pick<Terminal, 'style'>,
): string {
  const words = servingWords(serving);
  if (measured.kind === 'failed') {
    const blank = ' '.repeat(trialTitles(use).indexOf('SETTINGS'));
    return `${blank}${words}: ${style.red('failed')}: ${printable(measured.why)}`;
  }
  const { speeds } = middle(measured.rounds);
  const columns = [
    rounded(speeds.promptTokensPerS).padStart(9),
    told[use].otherOf(speeds).padStart(9),
    msWords(speeds.roundMs).padStart(9),
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
  use: ModelUse,
  tunings: readonly TuningDocument[],
  nowMs: number,
  { style, columns }: Terminal,
): readonly string[] {
  const { prompt, other, otherOf } = told[use];
  if (tunings.length === 0) return ['nothing is kept for it: "grid tune" measures'];
  return table(
    tunings,
    [
      { title: 'WORKER', value: ({ workerName }) => printable(workerName) },
      { title: 'ON', value: ({ devices }) => devices.join(' ') || 'host' },
      { title: 'GAIN', value: ({ best, untuned }) => gainWords(best, untuned), right: true },
      ...(use === 'infer'
        ? []
        : [
            {
              title: prompt,
              value: ({ best }: TuningDocument) => rounded(best.promptTokensPerS),
              right: true,
            },
          ]),
      { title: other, value: ({ best }) => otherOf(best), right: true },
      {
        title: 'LOAD',
        value: ({ load, texts }) => (texts === undefined ? String(load) : `${load} × ${texts}`),
        right: true,
      },
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

function msWords(ms: number | undefined): string {
  return ms === undefined ? '' : `${Math.round(ms)} ms`;
}

export function rounded(value: number): string {
  return value < 10 ? value.toFixed(1) : String(Math.round(value));
}

/** Before it begins. */
export function boundsWords(model: string, shape: RoundShape, trials: number, ms: number): string {
  return `measuring ${model} by rounds of ${roundWords(shape)}: at most ${trials} settings on each worker, none begun after ${formatDuration(ms)}; Ctrl-C ends it, and nothing is kept`;
}

function roundWords(shape: RoundShape): string {
  const { load, promptTokens } = shape;
  const asked = load === 1 ? '1 request' : `${load} requests at a time`;
  if (shape.use === 'infer')
    return `${asked}, each ${promptTokens} tokens of prompt and ${shape.outputTokens} of output`;
  const what = shape.use === 'embed' ? 'texts' : 'documents beside a query';
  return `${asked}, each ${shape.texts} ${what} of up to ${promptTokens} tokens`;
}
