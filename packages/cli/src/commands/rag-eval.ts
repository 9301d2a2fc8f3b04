/** `grid rag eval`: how good a collection's answers are, by queries and judgments in TREC's formats. */
import { readFile } from 'node:fs/promises';
import { basename, extname } from 'node:path/posix';
import { type Client, type QueryOptions, queryCollection } from '@gryphgen/client';
import { failure, GridError } from '@gryphgen/protocol';
import type { Command } from 'commander';
import { Option } from 'commander';
import { type Invocation, runs } from '../command.ts';
import { ProgressLines } from '../images/progress-lines.ts';
import { withInference } from '../models/with-inference.ts';
import { UsageError } from '../problem.ts';
import { withClient } from '../session.ts';
import type { CommonFlags } from '../settings.ts';
import { printJson } from '../terminal.ts';
import { held } from './rag-collections.ts';

/** As many as recall is counted in. */
const depth = 100;
const atOnce = 4;

interface EvalFlags extends CommonFlags {
  readonly words?: true;
  readonly queries: string;
  readonly qrels: string;
}

/** `command`: with the collection as its argument. */
export function evalCommand(command: Command, invocation: Invocation): Command {
  command
    .addOption(new Option('--queries <file>', 'an id, a tab and a text a line').makeOptionMandatory())
    .addOption(
      new Option(
        '--qrels <file>',
        "TREC's judgments: query 0 document relevance a line; a document is a file's name without its extension",
      ).makeOptionMandatory(),
    )
    .addOption(new Option('--words', 'by words alone, also where the collection has vectors'));
  return runs<EvalFlags>(command, invocation, async (flags, [collection = '']) => {
    const { terminal } = invocation;
    const { quality, readQrels } = await import('@gryphgen/retrieval');
    const queries = readQueries(flags.queries, await readFile(flags.queries, 'utf8'));
    const qrels = readQrels(await readFile(flags.qrels, 'utf8'));
    if (qrels.kind === 'wrong') throw new UsageError(`${flags.qrels}:${qrels.line}: ${qrels.why}`);
    const rankings = new Map<string, readonly string[]>();
    const lines = new ProgressLines(terminal, () => [`${rankings.size} of ${queries.length} queries`]);
    await withClient(terminal, flags, async (client) => {
      await held(client, collection);
      const rest = queries.values();
      const asker = async (options: QueryOptions): Promise<void> => {
        for (const { id, text } of rest) rankings.set(id, await ranking(client, collection, text, options));
      };
      const askAll = (options: QueryOptions) =>
        Promise.all(Array.from({ length: atOnce }, () => asker(options)));
      if (flags.words) await askAll({});
      else await withInference(client, (inference, signal) => askAll({ inference, signal }));
    }).finally(() => lines.wipe());
    const found = quality(rankings, qrels.value, depth);
    const measures = {
      'ndcg@10': found.ndcgAt10,
      map: found.map,
      mrr: found.mrr,
      'recall@100': found.recall,
    };
    if (flags.json) printJson(terminal, { ...measures, queries: found.queries });
    else {
      for (const [name, value] of Object.entries(measures))
        terminal.out(`${name.padEnd(12)}${value.toFixed(4)}\n`);
      terminal.out(`${'queries'.padEnd(12)}${found.queries}\n`);
    }
    return 0;
  });
}

/** Documents, best first. */
async function ranking(
  client: Client,
  collection: string,
  text: string,
  options: QueryOptions,
): Promise<readonly string[]> {
  const query = { collection, text, count: depth, of: 'files' } as const;
  const { results, wordsAlone } = await queryCollection(client, query, options);
  // What is measured is what is said to be.
  if (wordsAlone !== undefined)
    throw new GridError(failure('execution.model', `${wordsAlone}: "--words" measures words alone`));
  return results.map(({ source }) => basename(source, extname(source)));
}

function readQueries(file: string, text: string): readonly { readonly id: string; readonly text: string }[] {
  return text.split('\n').flatMap((line, index) => {
    if (line.trim() === '') return [];
    const at = line.indexOf('\t');
    if (at < 1) throw new UsageError(`${file}:${index + 1}: expected an id, a tab and a text`);
    return { id: line.slice(0, at).trim(), text: line.slice(at + 1).trim() };
  });
}
