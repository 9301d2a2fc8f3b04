/** Flags and arguments that commands about models have in common. */
import type { DeviceUuid, ModelPlace, Serving } from '@gryphgen/protocol';
import { isModelName, kvTypes, limits, modelNameWords } from '@gryphgen/protocol';
import { Argument, type Command, Option } from 'commander';
import { flagOf, gridCommand } from '../command.ts';
import { UsageError } from '../problem.ts';
import type { CommonFlags } from '../settings.ts';
import { gpuUuid, integer, worker } from '../task-file/values.ts';

/** A command about one model. */
export function onModel(name: string, summary: string, ...examples: readonly string[]): Command {
  return gridCommand(name, summary, ...examples).addArgument(modelArgument('<name>'));
}

export function modelArgument(written: string): Argument {
  return new Argument(written, 'a model, by its name').argParser((text) => {
    if (isModelName(text)) return text;
    throw new UsageError(`found ${JSON.stringify(text.slice(0, 60))}, expected ${modelNameWords}`);
  });
}

export interface PlaceFlags {
  readonly worker?: string;
  readonly device?: string;
}

export function withPlace(command: Command): Command {
  return command
    .addOption(flagOf('--worker <worker>', 'loads it on this machine alone, by its name or id', worker))
    .addOption(
      flagOf('--device <uuid>', 'loads it on this card alone, as "grid node show" names it', gpuUuid),
    );
}

export function placeFrom({ worker, device }: PlaceFlags): ModelPlace | undefined {
  if (worker === undefined && device === undefined) return undefined;
  return {
    ...(worker !== undefined && { worker }),
    ...(device !== undefined && { device: device as DeviceUuid }),
  };
}

export interface ServingFlags extends CommonFlags {
  readonly ctx?: number;
  readonly slots?: number;
  readonly kv?: Serving['kvType'];
}

export function withServing(command: Command): Command {
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

export function partialServing({ ctx, slots, kv }: ServingFlags): Partial<Serving> {
  return {
    ...(ctx !== undefined && { slotTokens: ctx }),
    ...(slots !== undefined && { slots }),
    ...(kv !== undefined && { kvType: kv }),
  };
}
