/** `grid submit` and `grid run`: one task, from flags or from a file. */
import { type Client, type PreparedTask, prepareTask, type TaskSpec } from '@gryphgen/client';
import { formatTaskId, GridError } from '@gryphgen/protocol';
import type { Scanned } from '@gryphgen/runtime';
import type { Command, Option } from 'commander';
import { bringInputs, scanInputs } from '../bring-inputs.ts';
import { flagOf, gridCommand, type Invocation, runs } from '../command.ts';
import { exitCodeOfOutcome, failedExit, impossibleExit } from '../exit-codes.ts';
import { follow } from '../follow.ts';
import { shownWords } from '../models/shown-words.ts';
import { answerOf, answerWords, isRefused } from '../models/task-answer.ts';
import { printable } from '../printable.ts';
import { UsageError } from '../problem.ts';
import { explainJson, explainLines } from '../render/explain-view.ts';
import { outcomeWords, taskJson } from '../render/task-view.ts';
import { withClient } from '../session.ts';
import type { CommonFlags } from '../settings.ts';
import { addTaskOptions, givenTaskFlags, specOfFlags, type TaskFlags } from '../submit-flags.ts';
import { readFileStart } from '../task-file/file-start.ts';
import { readTaskFile } from '../task-file/task-file.ts';
import { key } from '../task-file/values.ts';
import { printJson, type Terminal } from '../terminal.ts';

interface SubmitFlags extends CommonFlags, TaskFlags {
  readonly wait?: true;
  readonly dryRun?: true;
  readonly key?: string;
}

export function submitCommand(invocation: Invocation): Command {
  const command = gridCommand(
    'submit',
    'Submit a task: a command, a container, or a task file. Prints its id.',
    'submit -- echo hello',
    'submit --image busybox:latest --memory 256MiB --wait -- sh -c "echo hello from $(hostname)"',
    'submit --image busybox --in data.csv --out /out/sum --wait -- sh -c "wc -l < /in/data.csv > /out/sum"',
    'submit task.yaml --wait --json',
  );
  command
    .usage('[options] [FILE.yaml] [-- COMMAND…]')
    .argument('[file]', 'a task file')
    .option('--wait', 'follow it to its end with its output; Ctrl-C stops following, not the task')
    .option('--dry-run', 'print where it would be placed; place nothing')
    .addOption(keyFlag());
  addTaskOptions(command, invocation.terminal);
  return runs<SubmitFlags>(command, invocation, (flags, [file]) => {
    return submitWith(
      invocation.terminal,
      taskOf(command, flags, file, invocation.afterDashes),
      flags,
      false,
    );
  });
}

function keyFlag(): Option {
  return flagOf('--key <key>', 'idempotency key: the same key makes one task for 24 hours', key);
}

export function runCommand(invocation: Invocation): Command {
  const command = gridCommand('run', 'Submit a task file and follow it to its end.', 'run task.yaml');
  command.argument('<file>', 'a task file').addOption(keyFlag());
  return runs<SubmitFlags>(command, invocation, (flags, [file]) => {
    return submitWith(invocation.terminal, readTask(file ?? ''), { ...flags, wait: true }, true);
  });
}

function taskOf(
  command: Command,
  flags: SubmitFlags,
  file: string | undefined,
  afterDashes: readonly string[] | undefined,
): Written {
  if (file === undefined) return { spec: specOfFlags(flags, afterDashes ?? []), where: '' };
  if (afterDashes !== undefined)
    throw new UsageError(`found a file (${file}) and a command: expected one of them`);
  const given = givenTaskFlags(command);
  if (given.length > 0) throw new UsageError(`${given.join(', ')}: a file describes its task itself`);
  return readTask(file);
}

function readTask(file: string): Written {
  const read = readTaskFile(file, readFileStart(file));
  if (!read.ok) throw new UsageError(...read.problems);
  return { spec: read.spec, where: `${file}:1:1: ` };
}

interface Written {
  readonly spec: TaskSpec;
  /** Before what is wrong with it. */
  readonly where: string;
}

async function submitWith(
  terminal: Terminal,
  { spec, where }: Written,
  flags: SubmitFlags,
  live: boolean,
): Promise<number> {
  const { inputs = [] } = spec;
  const found = await scanInputs(terminal, inputs);
  const task = prepare(spec, found, where);
  return await withClient(terminal, flags, async (client) => {
    if (!flags.dryRun) await bringInputs(client, terminal, inputs, found);
    return await submit(client, terminal, task, flags, live);
  });
}

/** What the schemas of the wire refuse is the user's to correct. */
function prepare(spec: TaskSpec, found: readonly Scanned[], where: string): PreparedTask {
  const brought = found.map(({ manifest: { digest, bytes } }) => ({ digest, bytes }));
  try {
    return prepareTask(spec, brought);
  } catch (error) {
    if (error instanceof GridError) throw new UsageError(where + error.message);
    throw error;
  }
}

async function submit(
  client: Client,
  terminal: Terminal,
  task: PreparedTask,
  { wait = undefined, dryRun = undefined, key = '', json = false }: SubmitFlags,
  live: boolean,
): Promise<number> {
  if (dryRun) return await explain(client, terminal, task, json);
  const id = await client.submit(task, key === '' ? {} : { key }).accepted;
  if (!wait) {
    if (json) printJson(terminal, { id: formatTaskId(id) });
    else terminal.out(`${formatTaskId(id)}\n`);
    return 0;
  }
  terminal.err(`${formatTaskId(id)}\n`);
  // stdout is for the document alone.
  const output = json ? terminal.errBytes : terminal.outBytes;
  const outcome = await follow(client, terminal, id, { output, live, addresses: true });
  const { kind, model } = task.envelope;
  const answer = model === undefined ? undefined : answerOf(outcome);
  if (json)
    printJson(terminal, {
      ...taskJson(await client.request('show', { task: id })),
      ...(answer && { answer }),
    });
  else {
    if (answer !== undefined) {
      const words = answerWords(answer, { kind, ...(model !== undefined && { model }) });
      if (isRefused(answer)) terminal.err(`${printable(words)}\n`);
      else terminal.out(`${shownWords(words, terminal)}\n`);
    }
    if (live || outcome.failure !== null) terminal.err(`${outcomeWords(outcome)}\n`);
  }
  return answer !== undefined && isRefused(answer)
    ? failedExit
    : exitCodeOfOutcome(outcome.state, outcome.failure);
}

async function explain(
  client: Client,
  terminal: Terminal,
  task: PreparedTask,
  json: boolean,
): Promise<number> {
  const document = await client.request('dryRun', { envelope: task.envelope });
  if (json) printJson(terminal, explainJson(document));
  else for (const line of explainLines(document, terminal.style, terminal.columns)) terminal.out(`${line}\n`);
  const isTaken = document.refused === undefined && !document.decision.startsWith('impossible');
  return isTaken ? 0 : impossibleExit;
}
