/** `grid backup` and `grid restore`: a broker's home as one file, and a home made of it. */
import type { ArtifactsLeftOut, ArtifactsOrder, BackupDocument } from '@gryphgen/broker';
import { formatBytes, formatTime } from '@gryphgen/protocol';
import { Argument, type Command } from 'commander';
import { flagOf, gridCommand, type Invocation, runs } from '../command.ts';
import { failedExit, interruptedExit } from '../exit-codes.ts';
import { onInterrupt } from '../follow.ts';
import { ProgressLines } from '../images/progress-lines.ts';
import { Exit } from '../problem.ts';
import { type CommonFlags, settingsOf } from '../settings.ts';
import { endpoints } from '../task-file/values.ts';
import { printJson, type Terminal } from '../terminal.ts';

export function backupCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const summary =
    "Copy what the broker's home keeps into one file, while the broker runs or not. The grid's keys are in it: keep it as safe as them.";
  const command = gridCommand(
    'backup',
    summary,
    'backup /safe/grid.tar',
    'backup --without-keys /mnt/nas/grid.tar',
    'backup --with-artifacts /safe/files /safe/grid.tar',
  )
    .addArgument(new Argument('<file>', 'made, for its owner alone; must not be there yet'))
    .option('--without-keys', 'leave the secret keys out; a restore then needs them (--keys)')
    .option(
      '--with-artifacts <folder>',
      'keep the files of tasks too, in a folder that backups share: what is there already is not copied again',
    );
  return runs<BackupFlags>(command, invocation, async (flags, [file = '']) => {
    const { home } = settingsOf(terminal, flags);
    // Imported here: no other command should wait for it.
    const { writeBackup } = await import('@gryphgen/broker');
    const order = { home, file, withKeys: flags.withoutKeys !== true, wallMs: Date.now() };
    const made = await withFiles(terminal, flags, 'copied', (artifacts) =>
      writeBackup({ ...order, ...(artifacts && { artifacts }) }),
    );
    if (flags.json) printJson(terminal, made);
    else for (const line of backupLines(made)) terminal.out(`${line}\n`);
    return told(terminal, flags, made.leftOut, 'unfinished tasks are given');
  });
}

interface FilesFlags extends CommonFlags {
  readonly withArtifacts?: string;
}

interface BackupFlags extends FilesFlags {
  readonly withoutKeys?: true;
}

/** `work` with the folder of the files of tasks, where one is named; how far it is is shown, and Ctrl-C ends it. */
async function withFiles<T>(
  terminal: Terminal,
  { withArtifacts: folder }: FilesFlags,
  done: string,
  work: (artifacts: ArtifactsOrder | undefined) => Promise<T>,
): Promise<T> {
  if (folder === undefined) return await work(undefined);
  const stop = new AbortController();
  const forget = onInterrupt(() => stop.abort(new Exit(interruptedExit)));
  let copied = 0;
  const lines = new ProgressLines(terminal, () =>
    copied === 0 ? [] : [`${formatBytes(copied)} of files ${done}`],
  );
  const onCopied = (bytes: number): void => {
    copied = bytes;
  };
  try {
    return await work({ folder, signal: stop.signal, onCopied });
  } finally {
    lines.wipe();
    forget();
  }
}

/** What of the files is damaged or not there; the exit code. `lacked`: what the ones that lack were. */
function told(
  terminal: Terminal,
  { json }: CommonFlags,
  out: ArtifactsLeftOut | null,
  lacked: string,
): number {
  if (out === null) return 0;
  const { damaged, firstDamaged, lacking, firstLacking } = out;
  if (!json && damaged > 0)
    terminal.err(
      `${damaged} files are damaged and left out, the first is ${firstDamaged} (grid fsck --artifacts)\n`,
    );
  if (!json && lacking > 0)
    terminal.err(`${lacking} that ${lacked} are not there, the first is ${firstLacking}\n`);
  return damaged > 0 ? failedExit : 0;
}

interface RestoreFlags extends FilesFlags {
  readonly keys?: string;
  readonly check?: true;
  readonly reach?: readonly string[];
}

export function restoreCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const summary =
    "Make a broker's home of a backup, here or on another machine. The broker that made it must not run any more.";
  const command = gridCommand(
    'restore',
    summary,
    'restore /safe/grid.tar --home /var/lib/gryphgen',
    'restore --check /safe/grid.tar',
    'restore --with-artifacts /safe/files /safe/grid.tar',
  )
    .addArgument(new Argument('<file>', 'made by grid backup'))
    .option('--keys <folder>', 'the keys of a backup that was made without them')
    .option(
      '--with-artifacts <folder>',
      'the folder that has the files of tasks, to have them in the home again',
    )
    .addOption(
      flagOf(
        '--reach <endpoints>',
        'where members find the broker from now on: they follow by themselves',
        endpoints,
      ),
    )
    .option('--check', 'only verify the file and say what is in it');
  return runs<RestoreFlags>(command, invocation, async (flags, [file = '']) => {
    const { home } = settingsOf(terminal, flags);
    const broker = await import('@gryphgen/broker');
    if (flags.check) {
      const backup = broker.readBackup(file);
      const leftOut = await withFiles(terminal, flags, 'read', async (artifacts) =>
        artifacts === undefined ? null : broker.verifyArtifacts(broker.artifactsOf(backup), artifacts),
      );
      if (flags.json) printJson(terminal, { ...backup, leftOut });
      else for (const line of backupLines(backup)) terminal.out(`${line}\n`);
      const code = told(terminal, flags, leftOut, 'the backup names');
      return leftOut !== null && leftOut.lacking > 0 ? failedExit : code;
    }
    const { sayRestored } = await import('../daemons/home-standing.ts');
    const complete = (draft: string): void => sayRestored(draft, Date.now, flags.reach);
    const order = { file, home, keys: flags.keys ?? '', wallMs: Date.now(), complete };
    const restored = await withFiles(terminal, flags, 'copied', async (artifacts) =>
      artifacts === undefined
        ? { ...broker.restore(order), leftOut: null }
        : broker.restoreWithArtifacts(order, artifacts),
    );
    if (flags.json) {
      printJson(terminal, restored);
      return told(terminal, flags, restored.leftOut, '');
    }
    const { backup, epoch, nextTask, unfinished } = restored;
    for (const line of backupLines(backup)) terminal.out(`${line}\n`);
    terminal.out(
      `${restored.home} is restored: ${unfinished} unfinished tasks go on, new ones begin at t${nextTask}, epoch ${epoch}\n`,
    );
    terminal.out(
      `What was decided after commit ${backup.head.seq} is not in it; workers that saw more say so (grid fsck).\n`,
    );
    if (backup.artifacts !== undefined && restored.leftOut === null)
      terminal.out(
        'The files of tasks were kept with it, and are not restored: --with-artifacts brings them.\n',
      );
    return told(terminal, flags, restored.leftOut, 'the backup names');
  });
}

function backupLines(backup: BackupDocument): string[] {
  const { file, bytes, grid, madeAt, withKeys, epoch, head, files, artifacts } = backup;
  const keys = withKeys
    ? "It holds the grid's secret keys: whoever reads it can be the broker, and an admin."
    : 'It holds no secret keys: to restore it they are needed too.';
  const kept =
    artifacts === undefined
      ? []
      : [
          `With it ${artifacts.count} ${artifacts.count === 1 ? 'artifact' : 'artifacts'} of ${formatBytes(artifacts.bytes)}: delete lists/${artifacts.list} when you delete it.`,
        ];
  return [
    `${file}: ${formatBytes(bytes)}, ${files.length} files of grid ${grid}, as of ${formatTime(madeAt)}, commit ${head.seq} of epoch ${epoch}`,
    keys,
    ...kept,
  ];
}
