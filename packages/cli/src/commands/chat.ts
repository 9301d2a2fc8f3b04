/** `grid chat [MODEL]`: a conversation with a model, in a terminal or through a pipe. */
import { createInterface, type Interface } from 'node:readline';
import { type Client, Inference, modelFor } from '@gryphgen/client';
import type { ModelDocument } from '@gryphgen/protocol';
import type { Command } from 'commander';
import { flagOf, gridCommand, type Invocation, runs } from '../command.ts';
import { ChatLoop } from '../models/chat-loop.ts';
import { modelArgument } from '../models/model-flags.ts';
import { withClient } from '../session.ts';
import type { CommonFlags } from '../settings.ts';
import { integer } from '../task-file/values.ts';
import { maxTokensBound } from './infer.ts';

interface ChatFlags extends CommonFlags {
  readonly maxTokens?: number;
  readonly system?: string;
}

export function chatCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const command = gridCommand(
    'chat',
    'Talk with a model. A line is a turn; /reset forgets, /exit or Ctrl-D ends, Ctrl-C stops an answer.',
    'chat',
    'chat tiny --system "Answer in rhymes."',
    "printf 'My name is Ada.\\nWhat is my name?\\n' | grid chat tiny",
  )
    .addArgument(modelArgument('[model]'))
    .addOption(flagOf('--max-tokens <count>', 'of each answer', integer(1, maxTokensBound)))
    .option('--system <text>', 'what the model is told before');
  return runs<ChatFlags>(command, invocation, (flags, [name]) =>
    withClient(terminal, flags, async (client) => {
      const model = await chosen(client, name);
      const inference = new Inference(client);
      await inference.warm(model);
      const { system, maxTokens, json = false } = flags;
      const lines = linesOf(terminal.isTty && process.stdin.isTTY === true);
      const loop = new ChatLoop(terminal, inference, lines, {
        ...{ model, json },
        ...(system !== undefined && { system }),
        ...(maxTokens !== undefined && { maxTokens }),
      });
      try {
        return await loop.run();
      } finally {
        lines.close();
        await inference.close();
      }
    }),
  );
}

function linesOf(isPerson: boolean): Interface {
  const { stdin: input, stdout: output } = process;
  return isPerson
    ? createInterface({ input, output, terminal: true })
    : createInterface({ input, terminal: false });
}

/** The one that is meant: by its name, or the only one that writes; of several the only one that is ready. */
async function chosen(client: Client, name: string | undefined): Promise<string> {
  const models = await client.request('models', {});
  const [ready, ...others] = models.filter((model) => model.use === 'infer' && isReady(model));
  if (name === undefined && ready !== undefined && others.length === 0) return ready.name;
  return modelFor(models, 'infer', name).name;
}

function isReady({ instances }: ModelDocument): boolean {
  return instances.some(({ state }) => state === 'ready');
}
