/** Collections of passages: rag add, sync, ls, rm, query. */
import type { Stats } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { type Client, ingested, queryCollection } from '@gryphgen/client';
import {
  failure,
  GridError,
  type IngestBody,
  type IngestResult,
  limits,
  type SourceName,
} from '@gryphgen/protocol';
import { Command } from 'commander';
import { bringInputs, scanInputs } from '../bring-inputs.ts';
import { flagOf, gridCommand, type Invocation, runs } from '../command.ts';
import { printable } from '../printable.ts';
import { collectionLines, passageLines, syncLine } from '../render/rag-view.ts';
import { withClient } from '../session.ts';
import { type CommonFlags, settingsOf } from '../settings.ts';
import { integer } from '../task-file/values.ts';
import { printJson, type Terminal } from '../terminal.ts';
import { collectionsOf, held, ingest, namesAt, onCollection } from './rag-collections.ts';
import { evalCommand } from './rag-eval.ts';
import { forgetCommand } from './rag-forget.ts';
import { feedbackCommand, weightsCommand } from './rag-learning.ts';

/** Programs' own files, and what can be made again. */
const passedOver = new Set(['.git', '.hg', '.svn', 'node_modules', '__pycache__', '.venv']);
const defaultCount = 10;

export function ragCommand(invocation: Invocation): Command {
  return new Command('rag')
    .description('Collections of passages: what is in your files, found and cited.')
    .helpCommand(false)
    .addHelpText(
      'after',
      '\nExamples:\n  $ grid rag add docs ./docs\n  $ grid rag query docs "joining a machine"',
    )
    .addCommand(addCommand(invocation))
    .addCommand(syncCommand(invocation))
    .addCommand(listCommand(invocation))
    .addCommand(removeCommand(invocation))
    .addCommand(queryCommand(invocation))
    .addCommand(feedbackCommand(invocation))
    .addCommand(weightsCommand(invocation))
    .addCommand(forgetCommand(invocation))
    .addCommand(
      evalCommand(
        onCollection(
          'eval',
          "Measure a collection's answers: nDCG@10, MAP, MRR, recall@100.",
          'rag eval cranfield --queries queries.tsv --qrels qrels.trec',
        ),
        invocation,
      ),
    );
}

function addCommand(invocation: Invocation): Command {
  const command = onCollection(
    'add',
    'Bring files and folders of this machine into a collection, or up to date in it.',
    'rag add docs ./docs README.md',
  ).argument('<path...>', `files and folders (not: ${[...passedOver].join(', ')}; links)`);
  return runs<CommonFlags>(command, invocation, async (flags, [name = '', ...paths]) => {
    const { terminal } = invocation;
    const found = await Promise.all(paths.map((path) => realpath(path)));
    return await withClient(terminal, flags, (client) => syncAll(client, terminal, flags, name, found));
  });
}

function syncCommand(invocation: Invocation): Command {
  const command = onCollection(
    'sync',
    'Bring what was added of this machine up to date: changed, new and deleted files.',
    'rag sync docs',
  );
  return runs<CommonFlags>(command, invocation, async (flags, [name = '']) => {
    const { terminal } = invocation;
    return await withClient(terminal, flags, async (client) => {
      const machine = settingsOf(terminal, flags).name;
      const [held] = (await collectionsOf(client, name)).collections;
      const own = (held?.sources ?? []).filter((source) => source.machine === machine);
      if (own.length === 0)
        throw new GridError(
          failure(
            'rejected.not-found',
            `nothing of ${machine} is in ${name}: "grid rag add ${name} PATH" brings it`,
          ),
        );
      return await syncAll(
        client,
        terminal,
        flags,
        name,
        own.map(({ path }) => path),
      );
    });
  });
}

function listCommand(invocation: Invocation): Command {
  const command = gridCommand('ls', 'List collections and what is in them.', 'rag ls').argument(
    '[collection]',
  );
  return runs<CommonFlags>(command, invocation, async (flags, [name]) => {
    const { terminal } = invocation;
    const found = await withClient(terminal, flags, (client) => collectionsOf(client, name));
    if (flags.json) printJson(terminal, found);
    else for (const line of collectionLines(found, terminal)) terminal.out(`${line}\n`);
    return 0;
  });
}

function removeCommand(invocation: Invocation): Command {
  const command = onCollection(
    'rm',
    'Take a path of this machine out of a collection, or with none the collection.',
    'rag rm docs ./docs',
    'rag rm docs',
  ).argument('[path]');
  return runs<CommonFlags>(command, invocation, async (flags, [name = '', path]) => {
    const { terminal } = invocation;
    const { name: machine } = settingsOf(terminal, flags);
    // What is not there any more has the name that it had.
    const source =
      path === undefined ? undefined : { machine, path: await realpath(path).catch(() => resolve(path)) };
    const body: IngestBody = { op: 'remove', collection: name, ...(source && { source }) };
    const { removed } = await withClient(terminal, flags, async (client) => {
      await held(client, name);
      return ingested(await ingest(client, terminal, body, true));
    });
    if (flags.json) printJson(terminal, { collection: name, removed });
    else terminal.out(`${removed} ${removed === 1 ? 'file' : 'files'} removed\n`);
    return 0;
  });
}

interface QueryFlags extends CommonFlags {
  readonly count?: number;
}

function queryCommand(invocation: Invocation): Command {
  const command = onCollection(
    'query',
    'Find passages in a collection, best first, each with where it stands.',
    'rag query docs "how does a machine join"',
    'rag query docs "parseHttpHeader" -k 3 --json',
  )
    .argument('<text>')
    .addOption(
      flagOf('-k, --count <count>', `results (default: ${defaultCount})`, integer(1, limits.passages)),
    );
  return runs<QueryFlags>(command, invocation, async (flags, [name = '', text = '']) => {
    const { terminal } = invocation;
    const { count = defaultCount } = flags;
    const found = await withClient(terminal, flags, async (client) => {
      await held(client, name);
      return await queryCollection(client, { collection: name, text, count, of: 'passages' });
    });
    if (flags.json) {
      const results = found.results.map(({ lines, ...rest }) => ({ ...rest, lines: lines.join('-') }));
      printJson(terminal, { results, ...(found.cut && { cut: true }) });
    } else for (const line of passageLines(found, terminal)) terminal.out(`${line}\n`);
    return 0;
  });
}

/** Each of these paths of this machine, one after the other. */
async function syncAll(
  client: Client,
  terminal: Terminal,
  flags: CommonFlags,
  collection: string,
  paths: readonly string[],
): Promise<number> {
  const { name: machine } = settingsOf(terminal, flags);
  const done: (SourceName & IngestResult)[] = [];
  for (const path of paths) {
    const inputs = [{ from: path, to: '/in' }];
    const passOver = (at: string, found: Stats): boolean =>
      passedOver.has(basename(at)) || !(found.isFile() || found.isDirectory());
    const found = await scanInputs(terminal, inputs, { passOver });
    await bringInputs(client, terminal, inputs, found);
    const brought = found.map(({ manifest: { digest, bytes } }) => ({ digest, bytes, to: '/in' }));
    const source = { machine, path };
    const isHeld = namesAt(await client.request('nodes', {})).includes(collection);
    const body: IngestBody = { op: 'sync', collection, source, inputs: brought };
    const result = ingested(await ingest(client, terminal, body, isHeld));
    done.push({ ...source, ...result });
    if (!flags.json) terminal.out(`${syncLine(path, result, terminal.style)}\n`);
    for (const { path: file, cause } of result.failed)
      terminal.err(`${printable(file)} cannot be read: ${printable(cause)}\n`);
  }
  if (flags.json) printJson(terminal, { collection, sources: done });
  return 0;
}
