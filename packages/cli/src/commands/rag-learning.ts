/** `grid rag feedback` and `weights`: what people say of answers, and what collections learn from it. */
import { resolve } from 'node:path';
import { collectionNamed, collectionWeights, weighed } from '@gryphgen/client';
import { type IngestBody, isVerdict, limits, type WeightsResult } from '@gryphgen/protocol';
import { type Command, Option } from 'commander';
import { flagOf, type Invocation, runs } from '../command.ts';
import { UsageError } from '../problem.ts';
import { weightsLines } from '../render/rag-view.ts';
import { withClient } from '../session.ts';
import type { CommonFlags } from '../settings.ts';
import { integer, name as machineName } from '../task-file/values.ts';
import { printJson, type Terminal } from '../terminal.ts';
import { ingest, onCollection } from './rag-collections.ts';

interface FeedbackFlags extends CommonFlags {
  readonly query: string;
  readonly machine?: string;
}

export function feedbackCommand(invocation: Invocation): Command {
  const command = onCollection(
    'feedback',
    'Say how a file of an answer served: other queries with the same words are answered by it.',
    'rag feedback docs --query "joining a machine" docs/joining.md:3-9 good',
  )
    .argument('<source>', 'a file as it was answered, with or without :LINES')
    .argument('<verdict>', 'good, used or bad')
    .addOption(new Option('--query <text>', 'what was asked').makeOptionMandatory())
    .addOption(flagOf('--machine <name>', "the file's, where several have its path", machineName));
  return runs<FeedbackFlags>(
    command,
    invocation,
    async (flags, [collection = '', source = '', verdict = '']) => {
      if (!isVerdict(verdict))
        throw new UsageError(`found ${JSON.stringify(verdict)}, expected good, used or bad`);
      const { query: text, machine } = flags;
      if (text.trim() === '' || text.length > limits.feedbackChars)
        throw new UsageError(
          `--query: found ${text.length} characters, expected 1 to ${limits.feedbackChars} with a word among them`,
        );
      const body: IngestBody = {
        ...{ op: 'feedback', collection, text, verdict },
        ...sourceOf(source),
        ...(machine !== undefined && { machine }),
      };
      return await change(invocation.terminal, flags, body);
    },
  );
}

interface WeightsFlags extends CommonFlags {
  readonly learn?: true;
  readonly revert?: number | true;
}

export function weightsCommand(invocation: Invocation): Command {
  const command = onCollection(
    'weights',
    'Show what a collection learned from feedback; learn now, or take back what it learned.',
    'rag weights docs',
    'rag weights docs --revert',
    'rag weights docs --revert 0',
  )
    .addOption(
      new Option('--learn', 'learn now from all feedback, which it else does by itself').conflicts('revert'),
    )
    .addOption(
      flagOf(
        '--revert [version]',
        'bring back this version; without one the version before, 0: nothing learned',
        integer(0, Number.MAX_SAFE_INTEGER),
      ),
    );
  return runs<WeightsFlags>(command, invocation, async (flags, [collection = '']) => {
    const { learn, revert } = flags;
    const { terminal } = invocation;
    if (learn === true)
      return await change(terminal, flags, { op: 'weights', collection, change: { kind: 'learn' } });
    if (revert !== undefined) {
      const to = revert === true ? {} : { version: revert };
      return await change(terminal, flags, { op: 'weights', collection, change: { kind: 'revert', ...to } });
    }
    const found = await withClient(terminal, flags, async (client) => {
      const { shards } = await collectionNamed(client, collection);
      return await Promise.all(shards.map((_, shard) => collectionWeights(client, collection, shard)));
    });
    return show(terminal, flags, found);
  });
}

async function change(terminal: Terminal, flags: CommonFlags, body: IngestBody): Promise<number> {
  const found = await withClient(terminal, flags, async (client) => {
    const outcomes = await ingest(client, terminal, body, false);
    return outcomes.map((outcome) => weighed(outcome));
  });
  return show(terminal, flags, found);
}

/** Each shard of a collection learns by itself, from what is said of its files. */
function show(terminal: Terminal, flags: CommonFlags, found: readonly WeightsResult[]): number {
  const [first, ...others] = found;
  if (flags.json) printJson(terminal, others.length === 0 ? first : { shards: found });
  else
    for (const [at, one] of found.entries()) {
      if (others.length > 0) terminal.out(`${at > 0 ? '\n' : ''}shard ${at + 1}:\n`);
      for (const line of weightsLines(one, terminal)) terminal.out(`${line}\n`);
    }
  return 0;
}

/** A path of this machine, or as it was answered; what was not a file has no such path. */
function sourceOf(text: string): { path: string; lines?: [number, number] } {
  const [, path = '', first, last = first] = /^(.+?)(?::(\d{1,9})(?:-(\d{1,9}))?)?$/.exec(text) ?? [];
  const whole = /^[a-z][a-z+]+:/.test(path) ? path : resolve(path);
  if (first === undefined) return { path: whole };
  const lines: [number, number] = [Number(first), Number(last)];
  if (lines[0] < 1 || lines[1] < lines[0])
    throw new UsageError(`found the lines ${first}-${last}, expected the first, from 1, and the last`);
  return { path: whole, lines };
}
