/** `grid infer MODEL PROMPT`: one question to a model, its answer as it comes. */
import { text } from 'node:stream/consumers';
import { askChat, type ChatMessage, type Inference, readChat } from '@gryphgen/client';
import { limits } from '@gryphgen/protocol';
import { type Command, Option } from 'commander';
import { flagOf, gridCommand, type Invocation, runs } from '../command.ts';
import { modelArgument } from '../models/model-flags.ts';
import { shownWords } from '../models/shown-words.ts';
import { WaitingLine } from '../models/waiting-line.ts';
import { withInference } from '../models/with-inference.ts';
import { UsageError } from '../problem.ts';
import { withClient } from '../session.ts';
import type { CommonFlags } from '../settings.ts';
import { integer } from '../task-file/values.ts';
import { printJson, type Terminal } from '../terminal.ts';

/** As JSON it has twice as many, if each byte is one to escape. */
const maxPromptBytes = limits.questionBytes / 2 - 4096;
export const maxTokensBound = 2 ** 24;

interface InferFlags extends CommonFlags {
  readonly maxTokens?: number;
  readonly system?: string;
  readonly raw?: true;
}

export function inferCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const command = gridCommand(
    'infer',
    'Ask a model once; its answer is printed as it comes.',
    'infer tiny "Why is the sky blue?"',
    'infer tiny - --system "Summarise in one sentence." < report.txt',
    'infer tiny "Name three rivers." --max-tokens 60 --json',
  )
    .addArgument(modelArgument('<model>'))
    .argument('<prompt>', 'what is asked; - reads it from stdin')
    .addOption(flagOf('--max-tokens <count>', 'of the answer', integer(1, maxTokensBound)))
    .option('--system <text>', 'what the model is told before')
    .addOption(new Option('--raw', 'print what its server sends, as it is').conflicts('json'));
  return runs<InferFlags>(command, invocation, async (flags, [model = '', written = '']) => {
    const prompt = written === '-' ? await promptFrom(process.stdin) : written;
    if (prompt.trim() === '') throw new UsageError('found an empty prompt, expected a question');
    const messages: readonly ChatMessage[] = [
      ...(flags.system === undefined ? [] : [{ role: 'system' as const, content: flags.system }]),
      { role: 'user', content: prompt },
    ];
    return await withClient(terminal, flags, (client) =>
      withInference(client, (inference, signal) =>
        infer(terminal, inference, { model, messages, flags, signal }),
      ),
    );
  });
}

interface Asking {
  readonly model: string;
  readonly messages: readonly ChatMessage[];
  readonly flags: InferFlags;
  readonly signal: AbortSignal;
}

async function infer(
  terminal: Terminal,
  inference: Inference,
  { model, messages, flags, signal }: Asking,
): Promise<number> {
  const waiting = new WaitingLine(terminal, `waiting until ${model} is ready`);
  const { maxTokens, json = false } = flags;
  const question = { model, messages, ...(maxTokens !== undefined && { maxTokens }) };
  const answer = askChat(inference, question, { signal, onWaiting: () => waiting.begin() });
  try {
    await answer.head;
  } finally {
    waiting.end();
  }
  if (flags.raw) {
    for await (const bytes of answer.body) await terminal.outBytes(bytes);
    return (await answer.head).status === 200 ? 0 : 1;
  }
  const {
    task,
    text: words,
    reason,
    result,
  } = await readChat(answer, model, async (piece) => {
    if (!json) await terminal.outBytes(Buffer.from(shownWords(piece, terminal)));
  });
  const { tokens, firstMs, restMs } = result;
  if (json)
    printJson(terminal, { model, task, text: words, reason, ...(tokens && { tokens }), firstMs, restMs });
  else if (!words.endsWith('\n')) terminal.out('\n');
  if (reason === 'length' && terminal.isTty)
    terminal.err(`${terminal.style.dim('the answer was cut off: there was room for no more')}\n`);
  return 0;
}

async function promptFrom(stdin: NodeJS.ReadableStream): Promise<string> {
  const prompt = await text(stdin);
  if (Buffer.byteLength(prompt) > maxPromptBytes)
    throw new UsageError(
      `found a prompt of ${Buffer.byteLength(prompt)} bytes, expected at most ${maxPromptBytes}`,
    );
  return prompt;
}
