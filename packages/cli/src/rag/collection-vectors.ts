/**
 * Vectors of a collection: made by a model of the grid while somebody waits, whose rights they are made with.
 *
 * 1. Ctrl-C ends it; what is made is kept, and the next sync goes on.
 */
import { type Client, embedCollection, fillVectors } from '@gryphgen/client';
import type { EmbedResult } from '@gryphgen/protocol';
import { Option } from 'commander';
import { flagOf } from '../command.ts';
import { ProgressLines } from '../images/progress-lines.ts';
import { withInference } from '../models/with-inference.ts';
import { progressBar } from '../render/transfer-view.ts';
import { model } from '../task-file/values.ts';
import type { Terminal } from '../terminal.ts';

export interface VectorFlags {
  readonly embed?: string;
  readonly again?: true;
}

export function vectorOptions(): readonly Option[] {
  return [
    flagOf(
      '--embed <model>',
      'have passages found by meaning too, from now on by this model of the grid',
      model,
    ),
    new Option('--again', 'make all vectors anew, also those by another model'),
  ];
}

export interface MadeVectors {
  readonly model: string;
  readonly made: number;
  /** Of them, of passages whose end the model had no room for. */
  readonly cut: number;
}

/** `known`: what the collection's service says. Undefined where it has no vectors and is to have none. */
export async function makeVectors(
  client: Client,
  terminal: Terminal,
  collection: string,
  { embed, again }: VectorFlags,
  known: EmbedResult | undefined,
): Promise<MadeVectors | undefined> {
  const name = embed ?? (again ? known?.embedding.model : undefined);
  if (name === undefined && (known === undefined || known.lacking === 0))
    return known && { model: known.embedding.model, made: 0, cut: 0 };
  return await withInference(client, async (inference, signal) => {
    const wanted =
      name === undefined ? known : await embedCollection(client, inference, collection, name, again === true);
    if (wanted === undefined) return undefined;
    const { embedding, lacking } = wanted;
    const progress = { made: 0 };
    const lines = new ProgressLines(terminal, () => [
      `vectors by ${embedding.model}  ${progressBar(progress.made, lacking)}  ${progress.made} of ${lacking}`,
    ]);
    const onProgress = ({ filled }: { readonly filled: number }): void => {
      progress.made = filled;
    };
    const { filled, cut } = await fillVectors(client, inference, collection, embedding, {
      signal,
      onProgress,
    }).finally(() => lines.wipe());
    return { model: embedding.model, made: filled, cut };
  });
}

export function vectorsLine(collection: string, { model: name, made, cut }: MadeVectors): string {
  const shortened = cut === 0 ? '' : `, ${cut} of passages too long for it, cut at their end`;
  return `${collection}: ${made} ${made === 1 ? 'vector' : 'vectors'} made by ${name}${shortened}`;
}
