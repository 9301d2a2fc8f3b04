/** `grid audit`: who asked this grid for what, and whether the record of it is as it was written. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ShownEntry } from '@gryphgen/broker';
import { formatTime, parseDuration } from '@gryphgen/protocol';
import { Command } from 'commander';
import { flagOf, gridCommand, type Invocation, runs } from '../command.ts';
import { failedExit } from '../exit-codes.ts';
import { printable } from '../printable.ts';
import { UsageError } from '../problem.ts';
import { table } from '../render/table.ts';
import { type CommonFlags, settingsOf } from '../settings.ts';
import { integer, type Value } from '../task-file/values.ts';
import { printJson } from '../terminal.ts';
import { checkedHome, findingLines } from './fsck.ts';

const mostShown = 100_000;

export function auditCommand(invocation: Invocation): Command {
  return new Command('audit')
    .description('Who asked this grid for what, and what became of it: shown, and verified.')
    .helpCommand(false)
    .addHelpText('after', '\nExamples:\n  $ grid audit show --since 1h\n  $ grid audit verify')
    .addCommand(showCommand(invocation))
    .addCommand(verifyCommand(invocation));
}

interface ShowFlags extends CommonFlags {
  readonly since?: number;
  readonly principal?: string;
  readonly limit?: number;
}

/** A time of day, or how long ago. */
const since: Value<number> = {
  expected: 'a time such as 2026-11-21T14:30:00Z, or how long ago, such as 1h',
  parse: (text) => {
    const ago = parseDuration(text);
    const at = ago === undefined ? Date.parse(text) : Date.now() - ago;
    return Number.isFinite(at) ? at : undefined;
  },
};

function showCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const summary =
    "Print the newest records, on the broker's machine: who, what, from where, and the outcome.";
  const command = gridCommand(
    'show',
    summary,
    'audit show --since 1h',
    'audit show --principal p-0123456789abcdef --json',
  )
    .addOption(flagOf('--since <time>', 'only what came since then: a time, or how long ago', since))
    .option('--principal <id>', 'only of this principal')
    .addOption(flagOf('--limit <count>', 'how many at most (100)', integer(1, mostShown)));
  return runs<ShowFlags>(command, invocation, async (flags) => {
    const { home } = settingsOf(terminal, flags);
    const dir = join(home, 'audit');
    if (!existsSync(dir))
      throw new UsageError(`${dir}: there is no audit log; it is in the home of the broker (GRID_HOME)`);
    const { readAudit } = await import('@gryphgen/broker');
    const entries = readAudit(dir, {
      since: flags.since ?? 0,
      principal: flags.principal ?? '',
      limit: flags.limit ?? 100,
    });
    if (flags.json) printJson(terminal, entries);
    else for (const line of entryTable(entries, terminal.columns)) terminal.out(`${line}\n`);
    return 0;
  });
}

function entryTable(entries: readonly ShownEntry[], columns: number): readonly string[] {
  return table(
    entries,
    [
      { title: 'RECORD', value: ({ seq }) => String(seq) },
      { title: 'AT', value: ({ until }) => formatTime(until) },
      { title: 'WHO', value: ({ who, role }) => printable(`${who || 'nobody'} ${role}`.trim()) },
      { title: 'FROM', value: ({ from }) => printable(from || 'here') },
      { title: 'WHAT', value: ({ what, subject }) => printable(`${what} ${subject}`.trim()) },
      { title: 'COUNT', value: ({ count }) => String(count) },
      { title: 'OUTCOME', value: ({ code }) => code || 'granted' },
    ],
    columns,
  );
}

function verifyCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const summary =
    'Verify the record and the journal that it is chained to: the first bad record, a cut end, a chain written anew. Exits 1 when something is.';
  return runs<CommonFlags>(
    gridCommand('verify', summary, 'audit verify', 'audit verify --home /var/lib/gryphgen --json'),
    invocation,
    async (flags) => {
      const { home } = settingsOf(terminal, flags);
      if (!existsSync(home)) throw new UsageError(`${home}: there is no such folder (GRID_HOME)`);
      const found = await checkedHome(terminal, flags, home);
      const findings = found.findings.filter(
        ({ file }) => file.startsWith('audit') || file.startsWith('journal'),
      );
      const { audit, journal, witnesses } = found;
      const isDamaged = findings.some(({ level }) => level === 'damage');
      if (flags.json) {
        printJson(terminal, { home: found.home, audit, journal, witnesses, findings });
        return isDamaged ? failedExit : 0;
      }
      const { style } = terminal;
      const words =
        audit === null
          ? 'there is no audit log'
          : `records ${audit.first} to ${audit.last}, signed up to ${audit.signed}, chained to ${journal?.head.seq ?? 0} commits, ${witnesses} witnessing workers`;
      terminal.out(`${found.home}: ${words}\n`);
      for (const finding of findings)
        for (const line of findingLines(finding, style)) terminal.out(`${line}\n`);
      terminal.out(`${isDamaged ? style.red('not as it was written') : style.green('as it was written')}\n`);
      return isDamaged ? failedExit : 0;
    },
  );
}
