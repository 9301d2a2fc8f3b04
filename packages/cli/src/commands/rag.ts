/** Collections of passages: rag add, sync, ls, rm, query. */
import { type Client, ingested, modelFor } from '@gryphgen/client';
import {
  type EmbedResult,
  failure,
  GridError,
  type IngestBody,
  type IngestResult,
  limits,
  type SourceName,
} from '@gryphgen/protocol';
import { Command, Option } from 'commander';
import { flagOf, type Invocation, runs } from '../command.ts';
import { onInterrupt } from '../follow.ts';
import { printable } from '../printable.ts';
import { UsageError } from '../problem.ts';
import { bringSource, type MeantCollection, passedOver } from '../rag/bring-source.ts';
import { makeVectors, type VectorFlags, vectorOptions, vectorsLine } from '../rag/collection-vectors.ts';
import { redactSetting } from '../rag/redact-flag.ts';
import {
  knownPlace,
  nameToRemove,
  type SourcePlace,
  sourceName,
  stdinName,
  writtenPlace,
} from '../rag/source-place.ts';
import { SourceWatch } from '../rag/source-watch.ts';
import { failedLines, syncLine } from '../render/rag-view.ts';
import { withClient } from '../session.ts';
import { type CommonFlags, settingsOf } from '../settings.ts';
import { integer } from '../task-file/values.ts';
import { printJson, type Terminal } from '../terminal.ts';
import { accessCommand } from './rag-access.ts';
import { askCommand } from './rag-ask.ts';
import { collectionsOf, ingest, type ListedCollection, onCollection } from './rag-collections.ts';
import { evalCommand } from './rag-eval.ts';
import { forgetCommand } from './rag-forget.ts';
import { feedbackCommand, weightsCommand } from './rag-learning.ts';
import { listCommand } from './rag-list.ts';
import { queryCommand } from './rag-query.ts';
import { moveCommand, replicaCount, replicasCommand, withReplicas } from './rag-replicas.ts';
import { revealCommand } from './rag-reveal.ts';

export function ragCommand(invocation: Invocation): Command {
  return new Command('rag')
    .description('Collections of passages: what is in your files, found and cited.')
    .helpCommand(false)
    .addHelpText(
      'after',
      '\nExamples:\n  $ grid rag add docs ./docs\n  $ grid rag query docs "joining a machine"\n  $ grid rag ask docs "How does a machine join?"',
    )
    .addCommand(addCommand(invocation))
    .addCommand(syncCommand(invocation))
    .addCommand(listCommand(invocation))
    .addCommand(removeCommand(invocation))
    .addCommand(queryCommand(invocation))
    .addCommand(askCommand(invocation))
    .addCommand(feedbackCommand(invocation))
    .addCommand(weightsCommand(invocation))
    .addCommand(accessCommand(invocation))
    .addCommand(replicasCommand(invocation))
    .addCommand(moveCommand(invocation))
    .addCommand(forgetCommand(invocation))
    .addCommand(revealCommand(invocation))
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

interface AddFlags extends CommonFlags, VectorFlags {
  readonly name?: string;
  readonly redact?: string;
  readonly shards?: number;
  readonly replicas?: number;
}

function addCommand(invocation: Invocation): Command {
  const command = onCollection(
    'add',
    'Bring files, folders, a revision or stdin of this machine, or a document of the web, into a collection, or up to date in it.',
    'rag add docs ./docs README.md',
    'rag add code ./repository@main',
    'rag add docs https://example.com/guide.html',
    'rag add notes - --name today.md < notes.md',
    'rag add docs ./docs --embed bge-small',
    'rag add letters ./letters --redact email,phone,names=people.txt',
    'rag add library ./books --shards 3 --replicas 1',
  )
    .argument(
      '<source...>',
      `files and folders (not: ${[...passedOver].join(', ')}; links), PATH@REVISION or git+file:///PATH@REVISION of a git repository, https://… for one document, "-" for stdin`,
    )
    .addOption(new Option('--name <file>', 'what stdin is called, with the ending that says what it is'))
    .addOption(
      new Option(
        '--redact <kinds>',
        'take these out of the texts before anything is kept: email, phone, key, token, names=FILE (one a line)',
      ),
    );
  command.addOption(
    flagOf(
      '--shards <count>',
      'part a new collection into so many, on as many machines as there are with retrieval (default: 1)',
      integer(1, limits.shards),
    ),
  );
  command.addOption(
    flagOf(
      '--replicas <count>',
      'copies of each shard on other machines, which are asked while its own is away (default: as it is)',
      replicaCount,
    ),
  );
  for (const option of vectorOptions()) command.addOption(option);
  return runs<AddFlags>(command, invocation, async (flags, [name = '', ...sources]) => {
    const { terminal } = invocation;
    const places: SourcePlace[] = [];
    for (const source of sources)
      places.push(source === '-' ? stdinPlace(flags, sources) : await writtenPlace(source));
    const { shards, replicas } = flags;
    if (shards !== undefined && shards > 1 && flags.redact !== undefined)
      throw new UsageError('--redact: expected one shard, since others would have other pseudonyms');
    const redact = flags.redact === undefined ? undefined : await redactSetting(flags.redact);
    return await withClient(terminal, flags, async (client) => {
      const parted = { name, ...(shards !== undefined && { shards }) };
      if (replicas !== undefined) await withReplicas(client, { ...parted, replicas });
      else if (shards !== undefined) await client.request('placeCollection', parted);
      if (redact !== undefined)
        await ingest(client, terminal, { op: 'redact', collection: name, ...redact }, true);
      return await syncAll(client, terminal, flags, { name, isRedacted: redact !== undefined }, places);
    });
  });
}

function stdinPlace({ name }: AddFlags, sources: readonly string[]): SourcePlace {
  if (name === undefined) throw new UsageError('"-" has no name: --name gives it one, such as notes.md');
  if (sources.filter((one) => one === '-').length > 1)
    throw new UsageError('"-" is given twice, expected once');
  return { kind: 'stdin', name: stdinName(name) };
}

interface SyncFlags extends CommonFlags, VectorFlags {
  readonly watch?: true;
}

function syncCommand(invocation: Invocation): Command {
  const command = onCollection(
    'sync',
    'Bring what was added of this machine up to date: changed, new and deleted files.',
    'rag sync docs',
    'rag sync docs --watch',
    'rag sync docs --embed bge-small --again',
  ).addOption(new Option('--watch', 'go on, whenever something has changed, until Ctrl-C').conflicts('json'));
  for (const option of vectorOptions()) command.addOption(option);
  return runs<SyncFlags>(command, invocation, async (flags, [name = '']) => {
    const { terminal } = invocation;
    return await withClient(terminal, flags, async (client) => {
      const machine = settingsOf(terminal, flags).name;
      const [found] = (await collectionsOf(client, name)).collections;
      const own = (found?.sources ?? []).filter((source) => source.machine === machine);
      // Who wrote to stdin is gone.
      const places = own.map(({ path }) => knownPlace(path)).filter(({ kind }) => kind !== 'stdin');
      if (places.length === 0 && !lacksVectors(found, flags))
        throw new GridError(
          failure(
            'rejected.not-found',
            `nothing of ${machine} that can be read again is in ${name}: "grid rag add ${name} PATH" brings it`,
          ),
        );
      const meant = { name, isRedacted: found?.redacts !== undefined };
      if (flags.watch === true) return await watchAll(client, terminal, flags, meant, places);
      return await syncAll(client, terminal, flags, meant, places, found?.vectors);
    });
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
    const source = path === undefined ? undefined : { machine, path: await nameToRemove(path) };
    const body: IngestBody = { op: 'remove', collection: name, ...(source && { source }) };
    const { removed } = await withClient(terminal, flags, async (client) => {
      return ingested(...(await ingest(client, terminal, body, false)));
    });
    if (flags.json) printJson(terminal, { collection: name, removed });
    else terminal.out(`${removed} ${removed === 1 ? 'file' : 'files'} removed\n`);
    return 0;
  });
}

/** Of a collection that has no files here to be synced, but passages to be embedded. */
function lacksVectors(found: ListedCollection | undefined, { embed, again }: VectorFlags): boolean {
  return (
    embed !== undefined || (found?.vectors !== undefined && (again === true || found.vectors.lacking > 0))
  );
}

/** Each of these sources of this machine, one after the other. */
async function syncAll(
  client: Client,
  terminal: Terminal,
  flags: CommonFlags & VectorFlags,
  meant: MeantCollection,
  places: readonly SourcePlace[],
  known?: EmbedResult,
): Promise<number> {
  const { name: machine, home } = settingsOf(terminal, flags);
  const { embed } = flags;
  // Sooner than behind a long ingest.
  if (embed !== undefined) modelFor(await client.request('models', {}), 'embed', embed);
  const done: (SourceName & IngestResult)[] = [];
  let state = known;
  for (const place of places) {
    const { vectors, ...result } = await bringSource(client, terminal, meant, { machine, home }, place);
    state = vectors;
    const path = sourceName(place);
    done.push({ machine, path, ...result });
    tellSynced(terminal, meant, path, result, flags.json === true);
  }
  const { name: collection } = meant;
  const vectors = await makeVectors(client, terminal, collection, flags, state);
  if (flags.json) printJson(terminal, { collection, sources: done, ...(vectors && { vectors }) });
  else if (vectors !== undefined) terminal.out(`${vectorsLine(collection, vectors)}\n`);
  return 0;
}

/** Until Ctrl-C. What fails is told, and tried again. */
async function watchAll(
  client: Client,
  terminal: Terminal,
  flags: CommonFlags & VectorFlags,
  meant: MeantCollection,
  places: readonly SourcePlace[],
): Promise<number> {
  const { name: machine, home } = settingsOf(terminal, flags);
  // What is asked for once is not done again with each change.
  let wanted: VectorFlags = flags;
  const ended = new AbortController();
  const stopListening = onInterrupt(() => ended.abort());
  const watch = new SourceWatch(places, { signal: ended.signal });
  try {
    for await (const place of watch.changes()) {
      const path = sourceName(place);
      try {
        const brought = await bringSource(client, terminal, meant, { machine, home }, place);
        const { vectors: known, ...result } = brought;
        tellSynced(terminal, meant, path, result, false);
        const made = await makeVectors(client, terminal, meant.name, wanted, known);
        if (made !== undefined && made.made > 0) terminal.out(`${vectorsLine(meant.name, made)}\n`);
        wanted = {};
      } catch (error) {
        if (ended.signal.aborted) break;
        if (!(error instanceof GridError || error instanceof UsageError)) throw error;
        terminal.err(`${printable(path)}: ${error.message}\n`);
        watch.again(place);
      }
    }
    return 0;
  } finally {
    stopListening();
  }
}

function tellSynced(
  terminal: Terminal,
  { name }: MeantCollection,
  path: string,
  result: IngestResult,
  isJson: boolean,
): void {
  if (!isJson) terminal.out(`${syncLine(path, result, terminal.style)}\n`);
  for (const line of failedLines(result.failed)) terminal.err(`${line}\n`);
  const others = result.failedFiles - result.failed.length;
  if (others > 0) terminal.err(`and ${others} more: "grid rag ls ${name} --failed" names them\n`);
}
