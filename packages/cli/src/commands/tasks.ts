/** A task's life from outside: ps, show, logs, wait, cancel, retry, explain. */
import { StringDecoder } from 'node:string_decoder';
import { formatTaskId, limits, parseRefusalId } from '@gryphgen/protocol';
import type { Command } from 'commander';
import { flagOf, gridCommand, type Invocation, refuseFlag, runs } from '../command.ts';
import { dividedLog } from '../divided-log.ts';
import { exitCodeOfOutcome, interruptedExit } from '../exit-codes.ts';
import { follow, onInterrupt } from '../follow.ts';
import { shownWords } from '../models/shown-words.ts';
import { answerOfTask, answerWords } from '../models/task-answer.ts';
import { explainJson, explainLines } from '../render/explain-view.ts';
import { outcomeWords, taskJson, taskLines, taskTable } from '../render/task-view.ts';
import { withClient } from '../session.ts';
import type { CommonFlags } from '../settings.ts';
import { integer } from '../task-file/values.ts';
import { answeringTaskOf, taskIdOf } from '../task-id.ts';
import { printJson, printJsonLine, type Terminal } from '../terminal.ts';

export function psCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const command = gridCommand('ps', 'List tasks, newest first.', 'ps', 'ps -a --limit 20 --json')
    .option('-a, --all', 'ended ones too')
    .addOption(flagOf('--limit <count>', 'at most so many', integer(1, limits.queryRows)).default(100));
  return runs<CommonFlags & { all?: true; limit: number }>(command, invocation, (flags) =>
    withClient(terminal, flags, async (client) => {
      const tasks = await client.request('ps', { all: flags.all === true, limit: flags.limit });
      if (flags.json) printJson(terminal, tasks.map(taskJson));
      else print(terminal, taskTable(tasks, Date.now(), terminal.style, terminal.columns));
      return 0;
    }),
  );
}

export function showCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const command = onTask('show', 'Show a task.', invocation, async (client, task, flags) => {
    const document = await client.request('show', { task });
    const answer = await answerOfTask(client, task, document);
    if (flags.json) printJson(terminal, { ...taskJson(document), ...(answer && { answer }) });
    else {
      print(terminal, taskLines(document, Date.now(), terminal.style));
      if (answer !== undefined)
        print(terminal, ['', shownWords(answerWords(answer, document.envelope), terminal)]);
    }
    return 0;
  });
  return refuseFlag(command, 'events', 'it keeps no list of a task’s events for now');
}

export function explainCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const command = gridCommand('explain', explainSummary, 'explain t42', 'explain r3.17').argument(
    '<id>',
    'a task, such as t42, or a refused submission, such as r3.17',
  );
  return runs<CommonFlags>(command, invocation, (flags, [id = '']) => {
    const refusal = parseRefusalId(id);
    const asked = refusal === undefined ? { task: answeringTaskOf(id) } : { refusal };
    return withClient(terminal, flags, async (client) => {
      const document = await client.request('explain', asked);
      if (flags.json) printJson(terminal, explainJson(document));
      else print(terminal, explainLines(document, terminal.style, terminal.columns));
      return 0;
    });
  });
}

const explainSummary = 'Say why a task is where it is, why it waits, or why a submission was refused.';

export function waitCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const summary =
    'Wait for the end of a task and exit as it did: 0 succeeded, 1 failed, 4 cancelled, 5 timed out.';
  return onTask('wait', summary, invocation, async (client, task, flags) => {
    const outcome = await follow(client, terminal, task, {
      output: null,
      live: terminal.isTty && !flags.json,
    });
    if (flags.json) printJson(terminal, taskJson(await client.request('show', { task })));
    else terminal.out(`${outcomeWords(outcome)}\n`);
    return exitCodeOfOutcome(outcome.state, outcome.failure);
  });
}

export function cancelCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  return onTask(
    'cancel',
    'Cancel a task: at once if it waits, else as soon as its worker has stopped it.',
    invocation,
    async (client, task, flags) => {
      const document = await client.request('cancel', { task });
      if (flags.json) printJson(terminal, taskJson(document));
      else terminal.out(`${document.id} ${cancelWords(document)}\n`);
      return 0;
    },
  );
}

function cancelWords({
  state,
  cancelRequested,
}: {
  readonly state: string;
  readonly cancelRequested: boolean;
}): string {
  if (state === 'cancelled') return 'is cancelled';
  return cancelRequested && (state === 'leased' || state === 'running')
    ? 'is being cancelled'
    : `has already ${state}`;
}

export function retryCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  return onTask(
    'retry',
    'Submit a task again, as a new one. Prints the new id.',
    invocation,
    async (client, task, flags) => {
      const { envelope: envelopeBytes, body: bodyBytes } = await client.request('spec', { task });
      const id = await client.submit({ envelopeBytes, bodyBytes }).accepted;
      if (flags.json) printJson(terminal, { id: formatTaskId(id), retryOf: formatTaskId(task) });
      else terminal.out(`${formatTaskId(id)}\n`);
      return 0;
    },
  );
}

export function logsCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const command = onTask<CommonFlags & { follow?: true }>(
    'logs',
    'Print the output of a task; what the grid says of its image is on stderr. With --json, lines of {"text"}.',
    invocation,
    async (client, task, flags) => {
      const given = new AbortController();
      const stopListening = onInterrupt(() => given.abort());
      const decoder = new StringDecoder('utf8');
      try {
        const options = { follow: flags.follow === true, signal: given.signal };
        for await (const { isOutput, bytes } of dividedLog(client.logs(task, options))) {
          if (!isOutput) await terminal.errBytes(bytes);
          else if (flags.json) printText(terminal, decoder.write(Buffer.from(bytes)));
          else await terminal.outBytes(bytes);
        }
        printText(terminal, decoder.end());
      } finally {
        stopListening();
      }
      return given.signal.aborted ? interruptedExit : 0;
    },
  );
  return command.option('-f, --follow', 'go on until the task ends');
}

/** A chunk may hold half a character and nothing else. */
function printText(terminal: Terminal, text: string): void {
  if (text !== '') printJsonLine(terminal, { text });
}

type Work<F> = (
  client: Parameters<Parameters<typeof withClient<number>>[2]>[0],
  task: ReturnType<typeof taskIdOf>,
  flags: F,
) => Promise<number>;

function onTask<F extends CommonFlags = CommonFlags>(
  name: string,
  summary: string,
  invocation: Invocation,
  work: Work<F>,
): Command {
  const command = gridCommand(name, summary, `${name} t42`).argument('<id>', 'a task, such as t42');
  return runs<F>(command, invocation, (flags, [id]) => {
    const task = taskIdOf(id);
    return withClient(invocation.terminal, flags, (client) => work(client, task, flags));
  });
}

function print(terminal: Terminal, lines: readonly string[]): void {
  for (const line of lines) terminal.out(`${line}\n`);
}
