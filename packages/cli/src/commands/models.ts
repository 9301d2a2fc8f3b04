/** The models of a grid: ls, add, rm, plan, pull, stop, pin. */
import { modelNamed, pinModel, readModelFile, servingOf } from '@gryphgen/client';
import type { ModelDocument, ModelPlanDocument } from '@gryphgen/protocol';
import { Command } from 'commander';
import { gridCommand, type Invocation, runs } from '../command.ts';
import { onInterrupt } from '../follow.ts';
import { loadedModel } from '../models/loaded-model.ts';
import {
  modelArgument,
  onModel,
  type PlaceFlags,
  partialServing,
  placeFrom,
  type ServingFlags,
  withPlace,
  withServing,
} from '../models/model-flags.ts';
import { printable } from '../printable.ts';
import { UsageError } from '../problem.ts';
import { modelJson, modelLines, modelTable, planLines } from '../render/model-view.ts';
import { withClient } from '../session.ts';
import type { CommonFlags } from '../settings.ts';
import { printJson, type Terminal } from '../terminal.ts';
import { modelAddCommand } from './model-add.ts';

export function modelsCommand(invocation: Invocation): Command {
  return new Command('models')
    .description('Models that the grid serves: what fits where, what is loaded.')
    .helpCommand(false)
    .addHelpText(
      'after',
      '\nExamples:\n  $ grid models add tiny ./tiny-q8_0.gguf\n  $ grid models plan tiny --ctx 16384\n  $ grid chat tiny',
    )
    .addCommand(listCommand(invocation))
    .addCommand(modelAddCommand(invocation))
    .addCommand(removeCommand(invocation))
    .addCommand(planCommand(invocation))
    .addCommand(pullCommand(invocation))
    .addCommand(stopCommand(invocation))
    .addCommand(pinCommand(invocation));
}

function listCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const command = gridCommand(
    'ls',
    'List models, or show one with its instances.',
    'models ls',
    'models ls tiny',
  ).addArgument(modelArgument('[name]'));
  return runs<CommonFlags>(command, invocation, (flags, [name]) =>
    withClient(terminal, flags, async (client) => {
      const models = await client.request('models', {});
      if (name === undefined) {
        if (flags.json) printJson(terminal, models.map(modelJson));
        else print(terminal, modelTable(models, terminal));
        return 0;
      }
      tell(terminal, modelNamed(models, name), flags);
      return 0;
    }),
  );
}

function removeCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const command = onModel(
    'rm',
    'Remove a model: what is loaded of it ends when it is idle.',
    'models rm tiny',
  );
  return runs<CommonFlags>(command, invocation, (flags, [name = '']) =>
    withClient(terminal, flags, async (client) => {
      // To the broker it is no fault to remove what is not there: it may have been asked twice.
      modelNamed(await client.request('models', {}), name);
      const { removed } = await client.request('removeModel', { name });
      if (flags.json) printJson(terminal, { removed });
      else terminal.out(`${removed} is removed\n`);
      return 0;
    }),
  );
}

function planCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const command = withServing(
    gridCommand(
      'plan',
      'Say where a model fits now, and why not where it does not. Nothing is loaded or brought.',
      'models plan ./big-q4_k_m.gguf --ctx 16384',
      'models plan tiny',
    ).argument('<model>', 'a model by its name, or a GGUF file'),
  );
  return runs<ServingFlags>(command, invocation, async (flags, [named = '']) => {
    const isFile = named.includes('/') || named.endsWith('.gguf');
    const file = isFile ? await readModelFile(named) : undefined;
    const plan = await withClient(terminal, flags, async (client) => {
      const model = file ?? modelNamed(await client.request('models', {}), named);
      const { description } = model;
      const held = 'serving' in model ? model.serving : {};
      const serving = servingOf(description, { ...held, ...partialServing(flags) });
      return await client.request('planModel', {
        ...('serving' in model && { name: model.name }),
        ...{ description, serving },
      });
    });
    if (flags.json) printJson(terminal, plan);
    else print(terminal, planLines(plan, terminal));
    return fits(plan) ? 0 : 3;
  });
}

function fits({ workers }: ModelPlanDocument): boolean {
  return workers.some(({ kind }) => kind !== 'no');
}

function pullCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const command = onModel(
    'pull',
    'Load a model somewhere, and wait until it is ready; Ctrl-C stops waiting, not the load.',
    'models pull tiny',
  );
  return runs<CommonFlags>(command, invocation, (flags, [name = '']) =>
    withClient(terminal, flags, async (client) => {
      const stop = new AbortController();
      const forget = onInterrupt(() => stop.abort());
      try {
        const model = await loadedModel(client, name, stop.signal, (words) =>
          terminal.err(`${printable(words)}\n`),
        );
        tell(terminal, model, flags);
      } finally {
        forget();
      }
      return 0;
    }),
  );
}

function stopCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const command = onModel(
    'stop',
    'Unload a model: now where it is idle, else when it is.',
    'models stop tiny',
  );
  return runs<CommonFlags>(command, invocation, (flags, [name = '']) =>
    withClient(terminal, flags, async (client) => {
      tell(terminal, await client.request('unloadModel', { name }), flags);
      return 0;
    }),
  );
}

interface PinFlags extends CommonFlags, PlaceFlags {
  readonly off?: boolean;
}

function pinCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const command = withPlace(
    onModel(
      'pin',
      'Keep a model loaded, on one machine or card if one is named; what is elsewhere ends when it is idle.',
      'models pin tiny --worker forge',
      'models pin tiny --device GPU-0b1c…',
      'models pin tiny --off',
    ).option('--off', 'it may be anywhere again, and is unloaded when nobody asks'),
  );
  return runs<PinFlags>(command, invocation, (flags, [name = '']) => {
    const pinned = placeFrom(flags);
    if (flags.off && pinned !== undefined) throw new UsageError('--off goes without --worker and --device');
    return withClient(terminal, flags, async (client) => {
      const model = modelNamed(await client.request('models', {}), name);
      tell(terminal, await pinModel(client, model, flags.off ? 'off' : pinned), flags);
      return 0;
    });
  });
}

function tell(terminal: Terminal, model: ModelDocument, flags: CommonFlags): void {
  if (flags.json) printJson(terminal, modelJson(model));
  else print(terminal, modelLines(model, Date.now(), terminal));
}

function print(terminal: Terminal, lines: readonly string[]): void {
  for (const line of lines) terminal.out(`${line}\n`);
}
