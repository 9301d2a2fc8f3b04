/** `grid rag ask`: a question answered from a collection, with where it says so. */
import { type AskStep, askCollection, Inference, mostPassagesAsked } from '@gryphgen/client';
import { type Command, Option } from 'commander';
import { flagOf, type Invocation, runs } from '../command.ts';
import { onEndSignal } from '../conversation.ts';
import { type EndSignal, exitCodeOfSignal } from '../exit-codes.ts';
import { WaitingLine } from '../models/waiting-line.ts';
import { UsageError } from '../problem.ts';
import { answerJson, answerLines } from '../render/answer-view.ts';
import { withClient } from '../session.ts';
import type { CommonFlags } from '../settings.ts';
import { integer } from '../task-file/values.ts';
import { printJson, type Terminal } from '../terminal.ts';
import { maxTokensBound } from './infer.ts';
import { held, onCollection } from './rag-collections.ts';

interface AskFlags extends CommonFlags {
  readonly model?: string;
  readonly rerank?: string;
  readonly count?: number;
  readonly budget?: number;
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
    .addOption(new Option('--rerank <model>', 'by which passages are ranked again'))
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
    );
  return runs<AskFlags>(command, invocation, async (flags, [collection = '', question = '']) => {
    if (question.trim() === '') throw new UsageError('found an empty question, expected words');
    const { model, rerank, count, budget: budgetTokens } = flags;
    const asked = {
      ...{ collection, question },
      ...(model !== undefined && { model }),
      ...(rerank !== undefined && { rerank }),
      ...(count !== undefined && { count }),
      ...(budgetTokens !== undefined && { budgetTokens }),
    };
    return await withClient(terminal, flags, async (client) => {
      await held(client, collection);
      const inference = new Inference(client);
      const stop = new AbortController();
      let ended: EndSignal | undefined;
      const forget = onEndSignal((name) => {
        ended = name;
        stop.abort();
      });
      const told = new ToldSteps(terminal);
      try {
        const onStep = (step: AskStep): void => told.tell(step);
        const answer = await askCollection(client, inference, asked, { signal: stop.signal, onStep });
        if (flags.json) printJson(terminal, answerJson(answer));
        else for (const line of answerLines(answer, terminal)) terminal.out(`${line}\n`);
        return 0;
      } catch (error) {
        if (ended !== undefined) return exitCodeOfSignal(ended);
        throw error;
      } finally {
        told.end();
        forget();
        await inference.close();
      }
    });
  });
}

/** On stderr what it is at; that a model is not ready, once of each and where it takes longer than a moment. */
class ToldSteps {
  private readonly terminal: Terminal;
  private readonly waiting = new Map<string, WaitingLine>();

  constructor(terminal: Terminal) {
    this.terminal = terminal;
  }

  tell(step: AskStep): void {
    const { terminal, waiting } = this;
    if (step.kind === 'waiting') {
      const line =
        waiting.get(step.model) ?? new WaitingLine(terminal, `waiting until ${step.model} is ready`);
      waiting.set(step.model, line);
      line.begin();
      return;
    }
    this.end();
    const { model, passages } = step;
    const words = `${model} reads ${passages} ${passages === 1 ? 'passage' : 'passages'} …`;
    terminal.err(`${terminal.style.dim(words)}\n`);
  }

  end(): void {
    for (const line of this.waiting.values()) line.end();
  }
}
