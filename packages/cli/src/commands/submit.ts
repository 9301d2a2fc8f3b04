/** `grid submit` and `grid run`: one task, from flags or from a file. */
import { type Client, type PreparedTask, prepareTask } from '@gryphgen/client';
import { formatTaskId, GridError } from '@gryphgen/protocol';
import type { Command, Option } from 'commander';
import { flagOf, gridCommand, type Invocation, runs } from '../command.ts';
import { exitCodeOfOutcome, impossibleExit } from '../exit-codes.ts';
import { follow } from '../follow.ts';
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
    const task = taskOf(command, flags, file, invocation.afterDashes);
    return withClient(invocation.terminal, flags, (client) =>
      submit(client, invocation.terminal, task, flags, false),
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
    const task = readTask(file ?? '');
    return withClient(invocation.terminal, flags, (client) =>
      submit(client, invocation.terminal, task, { ...flags, wait: true }, true),
    );
  });
}

function taskOf(
  command: Command,
  flags: SubmitFlags,
  file: string | undefined,
  afterDashes: readonly string[] | undefined,
): PreparedTask {
  if (file === undefined) return prepare(() => prepareTask(specOfFlags(flags, afterDashes ?? [])));
  if (afterDashes !== undefined)
    throw new UsageError(`found a file (${file}) and a command: expected one of them`);
  const given = givenTaskFlags(command);
  if (given.length > 0) throw new UsageError(`${given.join(', ')}: a file describes its task itself`);
  return readTask(file);
}

function readTask(file: string): PreparedTask {
  const read = readTaskFile(file, readFileStart(file));
  if (!read.ok) throw new UsageError(...read.problems);
  return prepare(() => prepareTask(read.spec), `${file}:1:1: `);
}

/** What the schemas of the wire refuse is the user's to correct. */
function prepare(make: () => PreparedTask, where = ''): PreparedTask {
  try {
    return make();
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
  if (json) printJson(terminal, taskJson(await client.request('show', { task: id })));
  else if (live || outcome.failure !== null) terminal.err(`${outcomeWords(outcome)}\n`);
  return exitCodeOfOutcome(outcome.state, outcome.failure);
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
  return document.decision.startsWith('impossible') ? impossibleExit : 0;
}
