/**
 * `grid tune MODEL`: measures settings of its instances where they run, and keeps the best.
 *
 * 1. What is loaded of the model is unloaded first, as far as it is idle: beside it nothing could be measured.
 * 2. Workers one after the other: each ends with its best kept, and one that cannot be measured is told and passed over.
 */
import { modelNamed } from '@gryphgen/client';
import {
  failure,
  GridError,
  kvTypes,
  type ModelDocument,
  type NodeDocument,
  type Serving,
} from '@gryphgen/protocol';
import { type Command, Option } from 'commander';
import { flagOf, gridCommand, type Invocation, listOf, runs } from '../command.ts';
import { failedExit } from '../exit-codes.ts';
import { modelArgument } from '../models/model-flags.ts';
import { withInference } from '../models/with-inference.ts';
import { nodeNamed } from '../node-named.ts';
import { printable } from '../printable.ts';
import {
  boundsWords,
  keptLines,
  trialLine,
  trialTitles,
  tunedLine,
  tuningJson,
} from '../render/tuning-view.ts';
import { withClient } from '../session.ts';
import type { CommonFlags } from '../settings.ts';
import { integer, type Value, worker } from '../task-file/values.ts';
import { printJson, type Terminal } from '../terminal.ts';
import { type RoundFlags, roundShape, withRound } from '../tuning/round-flags.ts';
import { ended } from '../tuning/settings-trial.ts';
import { servesModels, tunableNodes } from '../tuning/tunable-nodes.ts';
import { type TuneOptions, tuneWorker, type WorkerTuning } from '../tuning/tune-worker.ts';

/** Some seconds each with a small model, minutes with a large one. */
const usualTrials = 12;
const usualMinutes = 20;
const countedRounds = 3;

interface TuneFlags extends CommonFlags, RoundFlags {
  readonly worker?: readonly string[];
  readonly trials?: number;
  readonly minutes?: number;
  readonly show?: true;
  readonly forget?: true;
}

const kvType: Value<Serving['kvType']> = {
  expected: `one of ${kvTypes.join(', ')}`,
  parse: (text) => kvTypes.find((known) => known === text),
};

export function tuneCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const bounded = gridCommand(
    'tune',
    'Measure settings of a model (threads, flash attention, batch, slots) where it runs, and keep the best.',
    'tune tiny',
    'tune tiny --worker forge --load 1 --minutes 5',
    'tune words --load 2 --texts 64',
    'tune tiny --show',
    'tune tiny --forget',
  )
    .addArgument(modelArgument('<model>'))
    .addOption(
      listOf('--worker <node>', 'measure there; may be given again (default: all that hold it)', worker),
    )
    .addOption(
      flagOf('--trials <count>', `settings measured on a worker (default: ${usualTrials})`, integer(3, 200)),
    )
    .addOption(
      flagOf('--minutes <count>', `none is begun later (default: ${usualMinutes})`, integer(1, 1440)),
    );
  const command = withRound(bounded)
    .addOption(listOf('--kv <type>', 'a type of the cache to try too; may be given again', kvType))
    .addOption(new Option('--show', 'what is kept for it'))
    .addOption(new Option('--forget', 'what is kept for it, everywhere or of --worker').conflicts('show'));
  return runs<TuneFlags>(command, invocation, (flags, [name = '']) =>
    withClient(terminal, flags, async (client) => {
      const model = modelNamed(await client.request('models', {}), name);
      if (flags.show) {
        show(terminal, model, flags);
        return 0;
      }
      if (flags.forget) {
        let left: ModelDocument = model;
        for (const asked of flags.worker ?? [undefined])
          left = await client.request('tuneModel', { name, ...(asked !== undefined && { worker: asked }) });
        show(terminal, left, flags);
        return 0;
      }
      const shape = roundShape(model, flags);
      return await withInference(client, (inference, signal) =>
        tune(terminal, { client, inference, model, shape, signal }, flags),
      );
    }),
  );
}

function show(terminal: Terminal, model: ModelDocument, { json = false }: TuneFlags): void {
  const { name, use, tunings = [] } = model;
  if (json) printJson(terminal, { model: name, tunings });
  else for (const line of keptLines(use, tunings, Date.now(), terminal)) terminal.out(`${line}\n`);
}

type Tuning = Pick<TuneOptions, 'client' | 'inference' | 'model' | 'shape' | 'signal'>;

async function tune(terminal: Terminal, tuning: Tuning, flags: TuneFlags): Promise<number> {
  const { model, shape } = tuning;
  const { trials = usualTrials, minutes = usualMinutes, json = false } = flags;
  const tell = (line: string): void => (json ? terminal.err : terminal.out)(`${line}\n`);
  const nodes = await nodesFor(tuning, flags);
  terminal.err(`${terminal.style.dim(boundsWords(model.name, shape, trials, minutes * 60_000))}\n`);
  const endsAt = performance.now() + minutes * 60_000;
  const done: WorkerTuning[] = [];
  const failed: { readonly node: NodeDocument; readonly error: GridError }[] = [];
  for (const node of nodes) {
    tell(terminal.style.bold(printable(node.name)));
    tell(terminal.style.dim(trialTitles(model.use)));
    try {
      const found = await tuneWorker(node, {
        ...tuning,
        ...{ trials, rounds: countedRounds, kvTypes: flags.kv ?? [] },
        isOver: () => performance.now() >= endsAt,
        say: (words) => {
          if (terminal.progressColumns !== null) terminal.err(`${terminal.style.dim(printable(words))}\n`);
        },
        onTrial: (trial, untuned) => tell(trialLine(model.use, trial, untuned, terminal)),
      });
      done.push(found);
      tell(tunedLine(found));
    } catch (error) {
      // With nothing measured anywhere it is the command's own error.
      if (!(error instanceof GridError) || tuning.signal.aborted || nodes.length === 1) throw error;
      failed.push({ node, error });
      const where = error.message.startsWith(node.name) ? '' : `${printable(node.name)}: `;
      terminal.err(`${terminal.style.red(`${where}${printable(error.message)}`)}\n`);
    }
  }
  if (json)
    printJson(terminal, {
      model: model.name,
      round: shape,
      workers: done.map(tuningJson),
      failed: failed.map(({ node, error }) => ({
        worker: node.id,
        workerName: node.name,
        failure: error.failure,
      })),
    });
  return failed.length === 0 ? 0 : failedExit;
}

async function nodesFor({ client, model }: Tuning, flags: TuneFlags): Promise<readonly NodeDocument[]> {
  const nodes = await client.request('nodes', {});
  const chosen = flags.worker?.map((name) => nodeNamed(nodes, name));
  for (const node of chosen ?? [])
    if (!servesModels(node))
      throw invalid(`${node.name} has no engine that serves models: "grid engine ls" says who has one`);
  const { name, instances, description, serving } = model;
  if (instances.length > 0) await client.request('unloadModel', { name });
  for (const { task, busy } of instances) if (busy === 0) await ended(client, task);
  if (chosen !== undefined) return chosen;
  const plan = await client.request('planModel', { name, description, serving });
  return tunableNodes(name, nodes, plan);
}

function invalid(words: string): GridError {
  return new GridError(failure('rejected.invalid', words));
}
