/** How far what was foretold of tasks was from what came, on one machine or of one class there. */
import type { NodeDocument, PredictionError } from '@gryphgen/protocol';
import { table } from './table.ts';

type Predictions = NonNullable<NodeDocument['predictions']>;
const parts = ['run', 'memory', 'vram', 'fetch', 'start', 'load'] as const;
type Part = (typeof parts)[number];
/** Of a class that runs. */
const always = 3;

/** `run ×1.4, memory ×1.1`, over all its classes; empty where nothing was foretold. */
export function predictionWords({ predictions = [] }: NodeDocument): string {
  return parts
    .flatMap((part) => {
      const factor = meanFactor(predictions, part);
      return factor === undefined ? [] : [`${part} ${times(factor)}`];
    })
    .join(', ');
}

export function predictionTable({ predictions = [] }: NodeDocument, columns: number): readonly string[] {
  if (predictions.length === 0) return [];
  return [
    '',
    ...table(
      predictions,
      [
        { title: 'FORETOLD OF', value: ({ taskClass }) => taskClass },
        ...partsIn(predictions).map((part) => ({
          title: `${part.toUpperCase()} OFF BY`,
          value: (errors: Predictions[number]) => errorWords(errors[part]),
          right: true,
        })),
      ],
      columns,
    ),
  ];
}

/** Those that every class has, and of the rest what any has. */
function partsIn(predictions: Predictions): readonly Part[] {
  return parts.filter((part, place) => place < always || predictions.some((errors) => errors[part]));
}

/** `×1.4 of 12, came ×1.2`: over 12 attempts; the second only where it leans. */
function errorWords(error: PredictionError | undefined): string {
  if (error === undefined) return '-';
  const { seen, factor, lean } = error;
  const leans = times(lean) === times(1) ? '' : `, came ${times(lean)}`;
  return `${times(factor)} of ${seen}${leans}`;
}

/** Weighted by attempts, of the logarithms. */
function meanFactor(predictions: Predictions, part: Part): number | undefined {
  let [seen, sum] = [0, 0];
  for (const { [part]: error } of predictions) {
    if (error === undefined) continue;
    seen += error.seen;
    sum += error.seen * Math.log(error.factor);
  }
  return seen === 0 ? undefined : Math.exp(sum / seen);
}

function times(factor: number): string {
  return `×${factor < 10 ? factor.toFixed(1) : Math.round(factor)}`;
}
