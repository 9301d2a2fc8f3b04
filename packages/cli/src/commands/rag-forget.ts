/** `grid rag forget`: what has a name, an address or a number in it is taken out of a collection, and looked for then. */
import { text as allOf } from 'node:stream/consumers';
import { forgotten } from '@gryphgen/client';
import { limits } from '@gryphgen/protocol';
import type { Command } from 'commander';
import { type Invocation, runs } from '../command.ts';
import { UsageError } from '../problem.ts';
import { forgetLines } from '../render/rag-view.ts';
import { withClient } from '../session.ts';
import type { CommonFlags } from '../settings.ts';
import { printJson } from '../terminal.ts';
import { ingest, onCollection } from './rag-collections.ts';

/** It is still in the files of the service. */
const remainsExit = 1;

export function forgetCommand(invocation: Invocation): Command {
  const command = onCollection(
    'forget',
    'Take every passage that has a subject in it out of a collection, and look for it in what is left.',
    'rag forget docs "Ada Lovelace"',
    'rag forget docs - < subject.txt',
  ).argument('<subject>', 'in any writing; "-": read from stdin, so that no list of processes shows it');
  return runs<CommonFlags>(command, invocation, async (flags, [collection = '', given = '']) => {
    const { terminal } = invocation;
    const subject = (given === '-' ? await allOf(process.stdin) : given).trim();
    if (subject === '' || subject.length > limits.subjectChars)
      throw new UsageError(
        `the subject has ${subject.length} characters, expected 1 to ${limits.subjectChars}`,
      );
    const found = await withClient(terminal, flags, async (client) => {
      return forgotten(...(await ingest(client, terminal, { op: 'forget', collection, subject }, false)));
    });
    if (flags.json) printJson(terminal, found);
    else for (const line of forgetLines(found)) terminal.out(`${line}\n`);
    return found.searched.some((file) => file.found > 0) ? remainsExit : 0;
  });
}
