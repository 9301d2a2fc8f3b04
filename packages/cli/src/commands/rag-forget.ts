/** `grid rag forget`: what has a name, an address or a number in it is taken out of a collection, and looked for then. */
import { text as allOf } from 'node:stream/consumers';
import { collectionNamed, forgotten } from '@gryphgen/client';
import { limits } from '@gryphgen/protocol';
import type { Command } from 'commander';
import { type Invocation, runs } from '../command.ts';
import { printable } from '../printable.ts';
import { UsageError } from '../problem.ts';
import { forgetLines } from '../render/rag-view.ts';
import { withClient } from '../session.ts';
import type { CommonFlags } from '../settings.ts';
import { printJson } from '../terminal.ts';
import { ingestShards, onCollection } from './rag-collections.ts';

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
      const { shards } = await collectionNamed(client, collection);
      const [here, away] = [true, false].map((is) =>
        [...shards.keys()].filter((at) => shards[at]?.connected === is),
      );
      const body = { op: 'forget' as const, collection, subject };
      const asked = shards.length > 1 && here !== undefined && here.length > 0 ? here : [...shards.keys()];
      const taken = forgotten(...(await ingestShards(client, terminal, body, asked)));
      // Where a machine has several shards, the first looked for it in all files before the others had it taken out.
      const { searched, elsewhere } =
        asked.length === 1 ? taken : forgotten(...(await ingestShards(client, terminal, body, asked)));
      const result = { ...taken, searched, elsewhere };
      const notProven = (away ?? [])
        .filter((at) => !asked.includes(at))
        .map((at) => ({ number: at + 1, machine: shards[at]?.workerName ?? '' }));
      return { ...result, ...(notProven.length > 0 && { notProven }) };
    });
    const { notProven = [] } = found;
    if (flags.json) printJson(terminal, found);
    else {
      for (const line of forgetLines(found)) terminal.out(`${line}\n`);
      for (const { number, machine } of notProven)
        terminal.out(
          `not proven: shard ${number} on ${printable(machine || 'no machine')} was not asked, which is away: forget again when it is back\n`,
        );
    }
    const remains = notProven.length > 0 || found.searched.some((file) => file.found > 0);
    return remains ? remainsExit : 0;
  });
}
