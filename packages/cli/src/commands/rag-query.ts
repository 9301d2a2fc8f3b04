/** `grid rag query`: passages for a text, by words, by meaning where the collection has vectors, and ranked again by a model. */
import { type AskStep, type Found, modelFor, queryCollection, queryReranked } from '@gryphgen/client';
import { limits } from '@gryphgen/protocol';
import { type Command, Option } from 'commander';
import { flagOf, type Invocation, runs } from '../command.ts';
import { withInference } from '../models/with-inference.ts';
import { printable } from '../printable.ts';
import { type ChoiceFlags, choiceOptions, chosenFiles } from '../rag/chosen-files.ts';
import { ToldSteps } from '../rag/told-steps.ts';
import { behindLine, missingLine, passageLines } from '../render/rag-view.ts';
import { withClient } from '../session.ts';
import type { CommonFlags } from '../settings.ts';
import { duration, integer } from '../task-file/values.ts';
import { printJson } from '../terminal.ts';
import { rerankFlag } from './rag-ask.ts';
import { held, onCollection } from './rag-collections.ts';

const defaultCount = 10;

interface QueryFlags extends CommonFlags, ChoiceFlags {
  readonly words?: true;
  readonly every?: true;
  readonly around?: number;
  readonly count?: number;
  readonly rerank?: string;
  readonly deadline?: number;
}

export function queryCommand(invocation: Invocation): Command {
  const command = onCollection(
    'query',
    'Find passages in a collection, best first, each with where it stands.',
    'rag query docs "how does a machine join"',
    'rag query docs "parseHttpHeader" -k 3 --json',
    'rag query docs "how does a machine join" --rerank ranks',
    'rag query code "parse a header" --path "src/**" --type ts',
  )
    .argument('<text>')
    .addOption(
      flagOf('-k, --count <count>', `results (default: ${defaultCount})`, integer(1, limits.passages)),
    )
    .addOption(rerankFlag())
    .addOption(
      flagOf(
        '--deadline <duration>',
        'of a collection with several shards: who has not answered a round of questions by then is left out, and named (default: 10s)',
        duration,
      ),
    )
    .addOption(
      flagOf(
        '--around <count>',
        'with each result so many passages before it and behind it, as far as an answer holds them',
        integer(1, limits.passagesAround),
      ),
    )
    .addOption(new Option('--words', 'by words alone, also where the collection has vectors'))
    .addOption(
      new Option(
        '--every',
        'also passages that nearly repeat a better one, and of one file as many as there are',
      ),
    );
  for (const option of choiceOptions()) command.addOption(option);
  return runs<QueryFlags>(command, invocation, async (flags, [name = '', text = '']) => {
    const { terminal } = invocation;
    const { count = defaultCount, rerank, deadline: deadlineMs } = flags;
    const within = deadlineMs === undefined ? {} : { deadlineMs };
    const files = chosenFiles(flags);
    const distinct = flags.every !== true && { distinct: true as const };
    const around = flags.around !== undefined && { around: flags.around };
    const query = {
      collection: name,
      text,
      count,
      of: 'passages' as const,
      ...(files && { files }),
      ...distinct,
      ...around,
    };
    const found: Found = await withClient(terminal, flags, async (client) => {
      await held(client, name);
      if (flags.words && rerank === undefined) return await queryCollection(client, query, within);
      const model =
        rerank === undefined ? undefined : modelFor(await client.request('models', {}), 'rerank', rerank);
      const steps = new ToldSteps(terminal);
      return await withInference(client, (inference, signal) => {
        if (model === undefined) return queryCollection(client, query, { inference, signal, ...within });
        const onStep = (step: AskStep) => steps.tell(step);
        return queryReranked(client, inference, query, model, {
          signal,
          ...within,
          onStep,
          words: flags.words === true,
        });
      }).finally(() => steps.end());
    });
    const { meaning, wordsAlone, missing, behindShards } = found;
    if (flags.json) {
      const results = found.results.map(({ lines, around: beside, ...rest }) => ({
        ...{ ...rest, lines: lines.join('-') },
        ...(beside && { around: beside.map((one) => ({ ...one, lines: one.lines.join('-') })) }),
      }));
      printJson(terminal, {
        results,
        ...(found.cut && { cut: true }),
        ...(missing && { partial: true, missing }),
        ...(behindShards && { behind: behindShards }),
        ...(meaning && { meaning }),
        ...(wordsAlone !== undefined && { wordsAlone }),
      });
    } else {
      for (const line of passageLines(found, terminal)) terminal.out(`${line}\n`);
      if (missing !== undefined) terminal.err(`${terminal.style.yellow(missingLine(missing))}\n`);
      if (behindShards !== undefined) terminal.err(`${terminal.style.yellow(behindLine(behindShards))}\n`);
      if (wordsAlone !== undefined)
        terminal.err(`${terminal.style.yellow(`found by words alone: ${printable(wordsAlone)}`)}\n`);
    }
    return 0;
  });
}
