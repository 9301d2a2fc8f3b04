/** `grid rag ls`: collections, what is in them, and which of their files could not be read. */
import { type Client, collectionNamed, listFailed } from '@gryphgen/client';
import type { FailedResult } from '@gryphgen/protocol';
import { type Command, Option } from 'commander';
import { gridCommand, type Invocation, runs } from '../command.ts';
import { UsageError } from '../problem.ts';
import { collectionLines, failedLines } from '../render/rag-view.ts';
import { withClient } from '../session.ts';
import type { CommonFlags } from '../settings.ts';
import { printJson } from '../terminal.ts';
import { collectionsOf } from './rag-collections.ts';

interface ListFlags extends CommonFlags {
  readonly failed?: true;
}

export function listCommand(invocation: Invocation): Command {
  const command = gridCommand('ls', 'List collections and what is in them.', 'rag ls', 'rag ls docs --failed')
    .argument('[collection]')
    .addOption(new Option('--failed', 'each file of the collection that could not be read, and why'));
  return runs<ListFlags>(command, invocation, async (flags, [name]) => {
    const { terminal } = invocation;
    if (flags.failed === true) {
      if (name === undefined) throw new UsageError('--failed: expected the name of a collection before it');
      const found = await withClient(terminal, flags, (client) => failedOf(client, name));
      if (flags.json)
        printJson(terminal, { collection: name, failedFiles: found.total, failed: found.failed });
      else {
        for (const line of failedLines(found.failed)) terminal.out(`${line}\n`);
        if (found.total === 0) terminal.out(`every file of ${name} could be read\n`);
        else if (found.total !== found.failed.length)
          terminal.err(`${found.failed.length} of ${found.total}: they change, list them again\n`);
      }
      return 0;
    }
    const found = await withClient(terminal, flags, (client) => collectionsOf(client, name));
    if (flags.json) printJson(terminal, found);
    else for (const line of collectionLines(found, terminal)) terminal.out(`${line}\n`);
    return 0;
  });
}

/** Of all shards; who cannot be asked ends it, since what it has would be missing. */
async function failedOf(client: Client, name: string): Promise<FailedResult> {
  const { shards } = await collectionNamed(client, name);
  const all: FailedResult[] = [];
  for (const shard of shards.keys()) all.push(await listFailed(client, name, shard));
  return {
    failed: all.flatMap(({ failed }) => failed),
    total: all.reduce((sum, { total }) => sum + total, 0),
  };
}
