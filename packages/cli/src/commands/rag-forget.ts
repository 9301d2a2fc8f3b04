/** `grid rag forget`: what has a name, an address or a number in it is taken out of a collection, and looked for then. */
import { text as allOf } from 'node:stream/consumers';
import { type Client, collectionNamed, forgotten, type Outcome } from '@gryphgen/client';
import { type IngestBody, limits } from '@gryphgen/protocol';
import type { Command } from 'commander';
import { type Invocation, runs } from '../command.ts';
import { printable } from '../printable.ts';
import { UsageError } from '../problem.ts';
import { forgetLines } from '../render/rag-view.ts';
import { withClient } from '../session.ts';
import type { CommonFlags } from '../settings.ts';
import { printJson, type Terminal } from '../terminal.ts';
import { type CopyLeftOut, ingestCopies, ingestShards, onCollection } from './rag-collections.ts';

type Forget = Extract<IngestBody, { op: 'forget' }>;

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
      const forget = () => forgetOnce(client, terminal, { op: 'forget', collection, subject });
      const first = await forget();
      // Where a machine has several of them, the first looked for it in all files before it was taken out of the others.
      const last = first.owners.length + first.copies.length === 1 ? first : await forget();
      const { searched, elsewhere } = forgotten(...last.owners, ...last.copies);
      const { notProven } = last;
      // What copies had of it is not counted again.
      return {
        ...forgotten(...first.owners),
        searched,
        elsewhere,
        ...(notProven.length > 0 && { notProven }),
      };
    });
    const { notProven = [] } = found;
    if (flags.json) printJson(terminal, found);
    else {
      for (const line of forgetLines(found)) terminal.out(`${line}\n`);
      for (const { number, machine, why } of notProven)
        terminal.out(
          `not proven: shard ${number} on ${printable(machine || 'no machine')} was not looked at (${printable(why)}): forget again later\n`,
        );
    }
    const remains = notProven.length > 0 || found.searched.some((file) => file.found > 0);
    return remains ? remainsExit : 0;
  });
}

interface Forgetting {
  readonly owners: readonly Outcome[];
  readonly copies: readonly Outcome[];
  readonly notProven: readonly CopyLeftOut[];
}

/** All of the shards whose owners are there lose it, and then their copies. */
async function forgetOnce(client: Client, terminal: Terminal, body: Forget): Promise<Forgetting> {
  const { shards } = await collectionNamed(client, body.collection);
  const all = [...shards.keys()];
  const here = all.filter((at) => shards[at]?.connected === true);
  const asked = shards.length > 1 && here.length > 0 ? here : all;
  const owners = await ingestShards(client, terminal, body, asked);
  // Who has copies is asked after the owners: what comes to one from now on has it no more.
  const now = (await collectionNamed(client, body.collection)).shards;
  // One that is on its way may have it still: it is not proven.
  const { copies, leftOut } = await ingestCopies(client, body, now);
  const unproven = (at: number, why: string): CopyLeftOut => ({
    ...{ number: at + 1, machine: shards[at]?.workerName ?? '', why },
  });
  const away = all.filter((at) => !asked.includes(at)).map((at) => unproven(at, 'it is away'));
  const moved = asked
    .filter((at) => now[at]?.epoch !== shards[at]?.epoch)
    .map((at) => unproven(at, 'another took its place meanwhile'));
  const notProven = [...away, ...moved, ...leftOut].toSorted((a, b) => a.number - b.number);
  return { owners, copies, notProven };
}
