/** What a round is, by the flags of `grid tune` and what the model is for. */
import type { RoundShape } from '@gryphgen/client';
import { failure, GridError, limits, type ModelDocument, type Serving } from '@gryphgen/protocol';
import type { Command } from 'commander';
import { flagOf } from '../command.ts';
import { integer } from '../task-file/values.ts';

/** Long enough to tell batches apart, short enough to be asked dozens of times. */
const usualPromptTokens = 512;
const usualOutputTokens = 64;
/** Of a request: some batches full, with as many requests at a time as a model usually has slots. */
const usualTexts = 8;

export interface RoundFlags {
  readonly load?: number;
  readonly promptTokens?: number;
  readonly outputTokens?: number;
  readonly texts?: number;
  readonly kv?: readonly Serving['kvType'][];
}

export function withRound(command: Command): Command {
  return command
    .addOption(
      flagOf('--load <count>', 'requests at a time (default: its slots)', integer(1, limits.instanceSlots)),
    )
    .addOption(
      flagOf(
        '--prompt-tokens <count>',
        `of each request, or of each of its texts (default: ${usualPromptTokens}, or half a slot)`,
        integer(1, 65_536),
      ),
    )
    .addOption(
      flagOf(
        '--output-tokens <count>',
        `of each request to one that writes (default: ${usualOutputTokens}, or a quarter)`,
        integer(8, 65_536),
      ),
    )
    .addOption(
      flagOf(
        '--texts <count>',
        `of each request to one that embeds or ranks (default: ${usualTexts})`,
        integer(1, limits.requestTexts),
      ),
    );
}

/** Throws GridError where a slot does not hold it, or where such a model has nothing of the kind. */
export function roundShape({ name, use, serving }: ModelDocument, flags: RoundFlags): RoundShape {
  const { slotTokens, slots } = serving;
  const quarter = Math.max(1, Math.floor(slotTokens / 4));
  const { load = slots, promptTokens = Math.min(usualPromptTokens, 2 * quarter) } = flags;
  if (use === 'infer') {
    if (flags.texts !== undefined)
      throw invalid(
        `${name} is a model that writes: it is asked one prompt at a time, --texts is for those that embed or rank`,
      );
    const { outputTokens = Math.min(usualOutputTokens, quarter) } = flags;
    if (promptTokens + outputTokens > slotTokens)
      throw invalid(
        `found ${promptTokens} tokens of prompt and ${outputTokens} of output, expected ${slotTokens} at most together: a slot of ${name} has no more`,
      );
    return { use, load, promptTokens, outputTokens };
  }
  const does = use === 'embed' ? 'embeds' : 'ranks';
  if (flags.outputTokens !== undefined)
    throw invalid(
      `${name} is a model that ${does} and writes nothing: --output-tokens is for those that write, of this one --prompt-tokens and --texts can be said`,
    );
  if (flags.kv !== undefined)
    throw invalid(`${name} is a model that ${does}: it has no cache of a type, --kv is for those that write`);
  if (promptTokens > slotTokens)
    throw invalid(
      `found ${promptTokens} tokens of each text, expected ${slotTokens} at most: a slot of ${name} has no more`,
    );
  return { use, load, promptTokens, texts: flags.texts ?? usualTexts };
}

function invalid(words: string): GridError {
  return new GridError(failure('rejected.invalid', words));
}
