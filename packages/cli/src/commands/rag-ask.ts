/** `grid rag ask`: a question answered from a collection, with where it says so. */
import { askCollection, mostPassagesAsked, tellUsed } from '@gryphgen/client';
import { GridError } from '@gryphgen/protocol';
import { type Command, Option } from 'commander';
import { flagOf, type Invocation, runs } from '../command.ts';
import { withInference } from '../models/with-inference.ts';
import { printable } from '../printable.ts';
import { UsageError } from '../problem.ts';
import { type ChoiceFlags, choiceOptions, chosenFiles } from '../rag/chosen-files.ts';
import { ToldSteps } from '../rag/told-steps.ts';
import { answerJson, answerLines } from '../render/answer-view.ts';
import { withClient } from '../session.ts';
import { type CommonFlags, settingsOf } from '../settings.ts';
import { integer } from '../task-file/values.ts';
import { printJson } from '../terminal.ts';
import { maxTokensBound } from './infer.ts';
import { held, onCollection } from './rag-collections.ts';

interface AskFlags extends CommonFlags, ChoiceFlags {
  readonly model?: string;
  readonly rerank?: string;
  readonly count?: number;
  readonly budget?: number;
  readonly signals: boolean;
}

export function rerankFlag(): Option {
  return new Option('--rerank <model>', 'by which what was found is ranked again');
}

export function askCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const command = onCollection(
    'ask',
    'Have a model answer a question from a collection; each source it cites has been looked up.',
    'rag ask docs "How does a machine join?"',
    'rag ask docs "How does a machine join?" --model tiny --rerank ranks -k 12 --json',
  )
    .argument('<question>')
    .addOption(new Option('--model <model>', 'that answers (default: the only one that writes)'))
    .addOption(rerankFlag())
    .addOption(
      flagOf(
        '-k, --count <count>',
        'passages that are looked at (default: 8)',
        integer(1, mostPassagesAsked),
      ),
    )
    .addOption(
      flagOf(
        '--budget <tokens>',
        'that passages may take (default: what the question and the answer leave)',
        integer(1, maxTokensBound),
      ),
    )
    .addOption(
      new Option(
        '--no-signals',
        'the collection is not told which of its files the answer came from, to learn from it',
      ),
    );
  for (const option of choiceOptions()) command.addOption(option);
  return runs<AskFlags>(command, invocation, async (flags, [collection = '', question = '']) => {
    if (question.trim() === '') throw new UsageError('found an empty question, expected words');
    const { model, rerank, count, budget: budgetTokens } = flags;
    const tells = flags.signals && settingsOf(terminal, flags).ragSignals === 'on';
    const files = chosenFiles(flags);
    const asked = {
      ...{ collection, question, ...(files && { files }) },
      ...(model !== undefined && { model }),
      ...(rerank !== undefined && { rerank }),
      ...(count !== undefined && { count }),
      ...(budgetTokens !== undefined && { budgetTokens }),
    };
    return await withClient(terminal, flags, async (client) => {
      await held(client, collection);
      const steps = new ToldSteps(terminal);
      const answer = await withInference(client, (inference, signal) =>
        askCollection(client, inference, asked, { signal, onStep: (step) => steps.tell(step) }),
      ).finally(() => steps.end());
      if (flags.json) printJson(terminal, answerJson(answer));
      else for (const line of answerLines(answer, terminal)) terminal.out(`${line}\n`);
      if (tells && answer.supported)
        await tellUsed(client, { collection, question, citations: answer.citations }).catch(
          (error: unknown) => {
            // The answer is there all the same.
            if (!(error instanceof GridError)) throw error;
            terminal.err(
              `${terminal.style.yellow(`the collection does not learn from it: ${printable(error.message)}`)}\n`,
            );
          },
        );
      return 0;
    });
  });
}
