/** `grid backup` and `grid restore`: a broker's home as one file, and a home made of it. */
import type { BackupDocument } from '@gryphgen/broker';
import { formatBytes, formatTime } from '@gryphgen/protocol';
import { Argument, type Command } from 'commander';
import { flagOf, gridCommand, type Invocation, runs } from '../command.ts';
import { type CommonFlags, settingsOf } from '../settings.ts';
import { endpoints } from '../task-file/values.ts';
import { printJson } from '../terminal.ts';

export function backupCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const summary =
    "Copy what the broker's home keeps into one file, while the broker runs or not. The grid's keys are in it: keep it as safe as them.";
  const command = gridCommand(
    'backup',
    summary,
    'backup /safe/grid.tar',
    'backup --without-keys /mnt/nas/grid.tar',
  )
    .addArgument(new Argument('<file>', 'made, for its owner alone; must not be there yet'))
    .option('--without-keys', 'leave the secret keys out; a restore then needs them (--keys)');
  return runs<CommonFlags & { withoutKeys?: true }>(command, invocation, async (flags, [file = '']) => {
    const { home } = settingsOf(terminal, flags);
    // Imported here: no other command should wait for it.
    const { writeBackup } = await import('@gryphgen/broker');
    const order = { home, file, withKeys: flags.withoutKeys !== true, wallMs: Date.now() };
    const made = await writeBackup(order);
    if (flags.json) printJson(terminal, made);
    else for (const line of backupLines(made)) terminal.out(`${line}\n`);
    return 0;
  });
}

interface RestoreFlags extends CommonFlags {
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
  )
    .addArgument(new Argument('<file>', 'made by grid backup'))
    .option('--keys <folder>', 'the keys of a backup that was made without them')
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
    const { readBackup, restore } = await import('@gryphgen/broker');
    if (flags.check) {
      const backup = readBackup(file);
      if (flags.json) printJson(terminal, backup);
      else for (const line of backupLines(backup)) terminal.out(`${line}\n`);
      return 0;
    }
    const { sayRestored } = await import('../daemons/home-standing.ts');
    const complete = (draft: string): void => sayRestored(draft, Date.now, flags.reach);
    const restored = restore({ file, home, keys: flags.keys ?? '', wallMs: Date.now(), complete });
    if (flags.json) {
      printJson(terminal, restored);
      return 0;
    }
    const { backup, epoch, nextTask, unfinished } = restored;
    for (const line of backupLines(backup)) terminal.out(`${line}\n`);
    terminal.out(
      `${restored.home} is restored: ${unfinished} unfinished tasks go on, new ones begin at t${nextTask}, epoch ${epoch}\n`,
    );
    terminal.out(
      `What was decided after commit ${backup.head.seq} is not in it; workers that saw more say so (grid fsck).\n`,
    );
    return 0;
  });
}

function backupLines({ file, bytes, grid, madeAt, withKeys, epoch, head, files }: BackupDocument): string[] {
  const keys = withKeys
    ? "It holds the grid's secret keys: whoever reads it can be the broker, and an admin."
    : 'It holds no secret keys: to restore it they are needed too.';
  return [
    `${file}: ${formatBytes(bytes)}, ${files.length} files of grid ${grid}, as of ${formatTime(madeAt)}, commit ${head.seq} of epoch ${epoch}`,
    keys,
  ];
}
