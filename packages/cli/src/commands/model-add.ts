/** `grid models add`: a model of this machine, of an address or of Hugging Face, brought to the grid. */
import { addModel, type FetchedModel, type ModelSettings, readModelFile, sourceOf } from '@gryphgen/client';
import { formatBytes, limits, type ModelDocument, modelUses } from '@gryphgen/protocol';
import { type Command, Option } from 'commander';
import { flagOf, type Invocation, listOf, runs } from '../command.ts';
import { fetchedModel, withProgress } from '../models/fetched-model.ts';
import {
  onModel,
  type PlaceFlags,
  partialServing,
  placeFrom,
  type ServingFlags,
  withPlace,
  withServing,
} from '../models/model-flags.ts';
import { UsageError } from '../problem.ts';
import { modelJson } from '../render/model-view.ts';
import { withClient } from '../session.ts';
import { settingsOf } from '../settings.ts';
import { duration, integer, sha256 } from '../task-file/values.ts';
import { printJson, type Terminal } from '../terminal.ts';

interface AddFlags extends ServingFlags, PlaceFlags {
  readonly use?: ModelSettings['use'];
  readonly min?: number;
  readonly max?: number;
  readonly idle?: number;
  readonly sha256?: readonly string[];
  readonly queryPrefix?: string;
  readonly passagePrefix?: string;
}

export function modelAddCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const command = withPlace(
    withServing(
      onModel(
        'add',
        'Bring a model to the grid: a GGUF file of this machine, of an address or of Hugging Face; of one that is split any part.',
        'models add tiny ./tiny-q8_0.gguf',
        'models add big ./big-00001-of-00003.gguf --ctx 16384 --slots 2 --kv q8_0',
        'models add words ./bge-small.gguf --use embed --min 1 --max 2',
        'models add qwen hf:Qwen/Qwen3-8B-GGUF:Q4_K_M',
        `models add tiny https://example.org/tiny-q8_0.gguf --sha256 ${'1f'.repeat(4)}…`,
      ).argument('<file>', 'its file, its address, or hf:ORG/REPO:QUANT'),
    ),
  )
    .addOption(new Option('--use <use>', 'what it is for (default: by its file)').choices(modelUses))
    .addOption(
      flagOf(
        '--min <count>',
        'instances that are there with nobody asking (default: 0)',
        integer(0, limits.replicas),
      ),
    )
    .addOption(flagOf('--max <count>', 'instances at most (default: 1)', integer(1, limits.replicas)))
    .addOption(flagOf('--idle <time>', 'unloads one that nobody asks for so long (default: 15m)', duration))
    .option('--query-prefix <text>', 'stands before a query that it embeds (default: by its name)')
    .option('--passage-prefix <text>', 'stands before a passage that it embeds (default: by its name)')
    .addOption(
      listOf('--sha256 <hex>', 'of what an address has to give; of a split model one for each part', sha256),
    );
  return runs<AddFlags>(command, invocation, async (flags, [name = '', named = '']) => {
    const source = sourceOf(named);
    if (source === undefined && flags.sha256 !== undefined)
      throw new UsageError('--sha256 goes with an address: a file of this machine is taken as it is');
    const { home } = settingsOf(terminal, flags);
    // Gigabytes for a grid that is away would come for nothing.
    if (source !== undefined) await withClient(terminal, flags, (client) => client.request('models', {}));
    const fetched = source && (await fetchedModel(terminal, source, home, flags.sha256 ?? []));
    try {
      const path = fetched?.path ?? named;
      const file = await readModelFile(path);
      const model = await withClient(terminal, flags, (client) =>
        withProgress(terminal, path, (options) => addModel(client, name, file, settingsFrom(flags), options)),
      );
      await fetched?.discard();
      tell(terminal, flags, model, fetched);
    } finally {
      fetched?.release();
    }
    return 0;
  });
}

function settingsFrom(flags: AddFlags): ModelSettings {
  const { use, min, max, idle, queryPrefix: query, passagePrefix: passage } = flags;
  const pinned = placeFrom(flags);
  const prefixes = { ...(query !== undefined && { query }), ...(passage !== undefined && { passage }) };
  return {
    ...partialServing(flags),
    ...(use !== undefined && { use }),
    ...(min !== undefined && { min }),
    ...(max !== undefined && { max }),
    ...(idle !== undefined && { idleMs: idle }),
    ...(pinned && { pinned }),
    ...(Object.keys(prefixes).length > 0 && { prefixes }),
  };
}

function tell(
  terminal: Terminal,
  { json }: AddFlags,
  model: ModelDocument,
  fetched: FetchedModel | undefined,
): void {
  if (json) printJson(terminal, modelJson(model));
  else terminal.out(`${model.name} is there, for ${model.use}: ${formatBytes(model.artifact.bytes)}\n`);
  for (const sha256 of fetched?.sha256s ?? []) terminal.err(`sha-256 ${sha256}\n`);
}
