/** `grid rag reveal`: what the pseudonyms of a redacted collection stand for. */
import { text as allOf } from 'node:stream/consumers';
import { revealText } from '@gryphgen/client';
import { limits } from '@gryphgen/protocol';
import type { Command } from 'commander';
import { type Invocation, runs } from '../command.ts';
import { UsageError } from '../problem.ts';
import { withClient } from '../session.ts';
import type { CommonFlags } from '../settings.ts';
import { printJson } from '../terminal.ts';
import { held, onCollection } from './rag-collections.ts';

export function revealCommand(invocation: Invocation): Command {
  const command = onCollection(
    'reveal',
    'Tell what the pseudonyms in a text stand for: for the owner of the collection, and admins.',
    'rag reveal letters EMAIL-7f3a9c01d2e4b5a6',
    'rag query letters "late payment" | grid rag reveal letters -',
  ).argument('<text>', 'with pseudonyms of this collection; "-": read from stdin');
  return runs<CommonFlags>(command, invocation, async (flags, [collection = '', given = '']) => {
    const { terminal } = invocation;
    const text = given === '-' ? await allOf(process.stdin) : given;
    if (text === '' || text.length > limits.revealChars)
      throw new UsageError(`the text has ${text.length} characters, expected 1 to ${limits.revealChars}`);
    const found = await withClient(terminal, flags, async (client) => {
      await held(client, collection);
      return await revealText(client, collection, text);
    });
    if (flags.json) printJson(terminal, found);
    else {
      terminal.out(found.text.endsWith('\n') ? found.text : `${found.text}\n`);
      if (found.unknown > 0)
        terminal.err(
          `${found.unknown} ${found.unknown === 1 ? 'pseudonym stands' : 'pseudonyms stand'} for nothing here\n`,
        );
    }
    return 0;
  });
}
