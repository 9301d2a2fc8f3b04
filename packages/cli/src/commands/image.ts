/** Images without a registry: image push. */
import { exitCodeOf, formatBytes, imageOrderBytes } from '@gryphgen/protocol';
import { Argument, Command, Option } from 'commander';
import { gridCommand, type Invocation, listOf, runs } from '../command.ts';
import { onEndSignal } from '../conversation.ts';
import { type EndSignal, exitCodeOfSignal } from '../exit-codes.ts';
import { type ImageSource, openImageSource } from '../images/image-source.ts';
import { ProgressLines } from '../images/progress-lines.ts';
import { runAll, type Transfer, targetsOf, transfersTo } from '../images/push-all.ts';
import { printable } from '../printable.ts';
import { UsageError } from '../problem.ts';
import { transferLine } from '../render/transfer-view.ts';
import { withClient } from '../session.ts';
import type { CommonFlags } from '../settings.ts';
import { worker } from '../task-file/values.ts';
import { printJson, type Terminal } from '../terminal.ts';

interface PushFlags extends CommonFlags {
  readonly to?: readonly string[];
  readonly file?: string;
}

export function imageCommand(invocation: Invocation): Command {
  return new Command('image')
    .description('Bring images to machines of the grid.')
    .helpCommand(false)
    .addHelpText('after', '\nExamples:\n  $ grid image push app:1')
    .addCommand(pushCommand(invocation));
}

function pushCommand(invocation: Invocation): Command {
  const command = gridCommand(
    'push',
    'Bring an image to workers, without a registry.',
    'image push app:1',
    'image push app:1 --to forge --to anvil',
    'image push --file app.tar',
    'docker save app:1 | ssh desk grid image push --file -',
  )
    .addArgument(new Argument('[image]', "an image of this machine's Docker engine, or one in the archive"))
    .addOption(
      listOf(
        '--to <worker>',
        'a machine, by name or id (repeatable; default: all that run containers)',
        worker,
      ),
    )
    .addOption(new Option('--file <tar>', 'take it from an archive that docker save wrote; - for stdin'));
  return runs<PushFlags>(command, invocation, (flags, [image = '']) => {
    if (image === '' && flags.file === undefined)
      throw new UsageError('there is nothing to push: name an image, or an archive with --file');
    return push(invocation.terminal, image, flags);
  });
}

async function push(terminal: Terminal, image: string, flags: PushFlags): Promise<number> {
  const left = new AbortController();
  let signal: EndSignal | undefined;
  const forget = onEndSignal((name) => {
    signal = name;
    left.abort();
  });
  let source: ImageSource | undefined;
  try {
    source = await readSource(terminal, image, flags, left.signal);
    const code = await pushSource(terminal, source, flags, left.signal);
    return signal === undefined ? code : exitCodeOfSignal(signal);
  } catch (error) {
    if (signal !== undefined) return exitCodeOfSignal(signal);
    throw error;
  } finally {
    forget();
    await source?.close();
  }
}

/** What must be read first may take its time: it is told. */
async function readSource(
  terminal: Terminal,
  image: string,
  { file }: PushFlags,
  signal: AbortSignal,
): Promise<ImageSource> {
  let read = 0;
  const from = file === undefined ? `${printable(image)} from the Docker engine` : 'the archive';
  const progress =
    terminal.progressColumns === null
      ? undefined
      : new ProgressLines(terminal, () => [`reading ${from}: ${formatBytes(read)}`]);
  try {
    return await openImageSource({
      env: terminal.env,
      image,
      file,
      stdin: process.stdin,
      signal,
      onRead: (bytes) => {
        read = bytes;
      },
    });
  } finally {
    progress?.wipe();
  }
}

async function pushSource(
  terminal: Terminal,
  source: ImageSource,
  { to = [], json, ...flags }: PushFlags,
  signal: AbortSignal,
): Promise<number> {
  const { image, names } = source;
  const transfers = await withClient(terminal, flags, async (client) => {
    const { targets, skipped } = targetsOf(await client.request('nodes', {}), to);
    for (const words of skipped) terminal.err(`${printable(words)}: passed over\n`);
    const begun = transfersTo(targets, source);
    const columns = Math.max(...begun.map(({ name }) => printable(name).length));
    const progress = new ProgressLines(terminal, () => begun.map(({ row }) => transferLine(row, columns)));
    try {
      await runAll(client, begun, source, signal);
    } finally {
      progress.end();
    }
    return begun;
  });
  if (json) {
    const { id } = image;
    const workers = transfers.map(({ worker: node, name, state, failure }) => ({
      worker: node,
      name,
      result: state,
      ...(failure !== null && { failure }),
    }));
    printJson(terminal, { image: { id, names, bytes: imageOrderBytes(image) }, workers });
  }
  return exitCode(transfers);
}

/** Of the first that failed. */
function exitCode(transfers: readonly Transfer[]): number {
  const failed = transfers.find(({ failure }) => failure !== null)?.failure;
  return failed ? exitCodeOf(failed.code) : 0;
}
