/** The models of a grid: ls, add, rm, plan, pull, stop. */
import { basename } from 'node:path';
import { addModel, type ModelSettings, readModelFile, servingOf } from '@gryphgen/client';
import {
  failure,
  formatBytes,
  GridError,
  isModelName,
  kvTypes,
  limits,
  type ModelDocument,
  type ModelPlanDocument,
  modelNameWords,
  modelUses,
  nearest,
  type Serving,
} from '@gryphgen/protocol';
import { Argument, Command, Option } from 'commander';
import { flagOf, gridCommand, type Invocation, runs } from '../command.ts';
import { onInterrupt } from '../follow.ts';
import { ProgressLines } from '../images/progress-lines.ts';
import { loadedModel } from '../models/loaded-model.ts';
import { printable } from '../printable.ts';
import { UsageError } from '../problem.ts';
import { modelJson, modelLines, modelTable, planLines } from '../render/model-view.ts';
import { transferBar } from '../render/transfer-view.ts';
import { withClient } from '../session.ts';
import type { CommonFlags } from '../settings.ts';
import { duration, integer } from '../task-file/values.ts';
import { printJson, type Terminal } from '../terminal.ts';

export function modelsCommand(invocation: Invocation): Command {
  return new Command('models')
    .description('Models that the grid serves: what fits where, what is loaded.')
    .helpCommand(false)
    .addHelpText(
      'after',
      '\nExamples:\n  $ grid models add tiny ./tiny-q8_0.gguf\n  $ grid models plan tiny --ctx 16384\n  $ grid chat tiny',
    )
    .addCommand(listCommand(invocation))
    .addCommand(addCommand(invocation))
    .addCommand(removeCommand(invocation))
    .addCommand(planCommand(invocation))
    .addCommand(pullCommand(invocation))
    .addCommand(stopCommand(invocation));
}

/** A command about one model. */
function onModel(name: string, summary: string, ...examples: readonly string[]): Command {
  return gridCommand(name, summary, ...examples).addArgument(modelArgument('<name>'));
}

export function modelArgument(written: string): Argument {
  return new Argument(written, 'a model, by its name').argParser((text) => {
    if (isModelName(text)) return text;
    throw new UsageError(`found ${JSON.stringify(text.slice(0, 60))}, expected ${modelNameWords}`);
  });
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

interface ServingFlags extends CommonFlags {
  readonly ctx?: number;
  readonly slots?: number;
  readonly kv?: Serving['kvType'];
}

function withServing(command: Command): Command {
  return command
    .addOption(
      flagOf(
        '--ctx <tokens>',
        'context of each slot (default: 8192, or what it was made for)',
        integer(1, 2 ** 24),
      ),
    )
    .addOption(
      flagOf(
        '--slots <count>',
        'requests that an instance answers at a time (default: 4)',
        integer(1, limits.instanceSlots),
      ),
    )
    .addOption(new Option('--kv <type>', 'of its cache (default: f16)').choices(kvTypes));
}

interface AddFlags extends ServingFlags {
  readonly use?: ModelSettings['use'];
  readonly min?: number;
  readonly max?: number;
  readonly idle?: number;
}

function addCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const command = withServing(
    onModel(
      'add',
      'Bring a model to the grid: a GGUF file, or any of the parts of one that is split.',
      'models add tiny ./tiny-q8_0.gguf',
      'models add big ./big-00001-of-00003.gguf --ctx 16384 --slots 2 --kv q8_0',
      'models add words ./bge-small.gguf --use embed --min 1 --max 2',
    ).argument('<file>', 'its file'),
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
    .addOption(flagOf('--idle <time>', 'unloads one that nobody asks for so long (default: 15m)', duration));
  return runs<AddFlags>(command, invocation, async (flags, [name = '', path = '']) => {
    const file = await readModelFile(path);
    const { use, min, max, idle } = flags;
    const settings: ModelSettings = {
      ...partialServing(flags),
      ...(use !== undefined && { use }),
      ...(min !== undefined && { min }),
      ...(max !== undefined && { max }),
      ...(idle !== undefined && { idleMs: idle }),
    };
    const model = await withClient(terminal, flags, (client) =>
      withProgress(terminal, path, (options) => addModel(client, name, file, settings, options)),
    );
    if (flags.json) printJson(terminal, modelJson(model));
    else terminal.out(`${model.name} is there, for ${model.use}: ${formatBytes(model.artifact.bytes)}\n`);
    return 0;
  });
}

/** Hashing and sending gigabytes takes its time: it is shown. */
async function withProgress<T>(
  terminal: Terminal,
  path: string,
  work: (options: {
    onRead: (bytes: number) => void;
    onMoved: (bytes: number, of: number) => void;
  }) => Promise<T>,
): Promise<T> {
  const name = printable(basename(path));
  const [read, moved] = [{ bytes: 0 }, { bytes: 0, of: 0, sinceMs: 0 }];
  const lines = new ProgressLines(terminal, () => [
    moved.of === 0
      ? `${name}  ${formatBytes(read.bytes)} looked at`
      : `${name}  ${transferBar(moved.bytes, moved.of, performance.now() - moved.sinceMs)}`,
  ]);
  try {
    return await work({
      onRead: (bytes) => Object.assign(read, { bytes }),
      onMoved: (bytes, of) =>
        Object.assign(moved, { bytes, of, sinceMs: moved.sinceMs || performance.now() }),
    });
  } finally {
    lines.wipe();
  }
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
      const held = file === undefined ? modelNamed(await client.request('models', {}), named) : undefined;
      const { description } = file ?? held ?? missing(named);
      const serving = servingOf(description, { ...held?.serving, ...partialServing(flags) });
      return await client.request('planModel', { description, serving });
    });
    if (flags.json) printJson(terminal, plan);
    else print(terminal, planLines(plan, terminal));
    return fits(plan) ? 0 : 3;
  });
}

function fits({ workers }: ModelPlanDocument): boolean {
  return workers.some(({ kind }) => kind !== 'no');
}

function partialServing({ ctx, slots, kv }: ServingFlags): Partial<Serving> {
  return {
    ...(ctx !== undefined && { slotTokens: ctx }),
    ...(slots !== undefined && { slots }),
    ...(kv !== undefined && { kvType: kv }),
  };
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

/** Throws GridError `rejected.not-found`, with the name that was meant. */
export function modelNamed(models: readonly ModelDocument[], name: string): ModelDocument {
  return models.find((model) => model.name === name) ?? missing(name, models);
}

function missing(name: string, models: readonly ModelDocument[] = []): never {
  const near = nearest(
    name,
    models.map((model) => model.name),
  );
  const words = near === undefined ? '"grid models ls" lists them' : `did you mean ${near}?`;
  throw new GridError(failure('rejected.not-found', `there is no model ${printable(name)}: ${words}`));
}

function tell(terminal: Terminal, model: ModelDocument, flags: CommonFlags): void {
  if (flags.json) printJson(terminal, modelJson(model));
  else print(terminal, modelLines(model, Date.now(), terminal));
}

function print(terminal: Terminal, lines: readonly string[]): void {
  for (const line of lines) terminal.out(`${line}\n`);
}
