/** `grid fsck`: whether what this grid keeps is whole: asked of the running broker, or read in the home of a stopped one. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { hasMembership, loadMembership } from '@gryphgen/client';
import type { CheckDocument, CheckFinding } from '@gryphgen/protocol';
import type { Command } from 'commander';
import { gridCommand, type Invocation, runs } from '../command.ts';
import { failedExit } from '../exit-codes.ts';
import { UsageError } from '../problem.ts';
import { withClient } from '../session.ts';
import { type CommonFlags, settingsOf } from '../settings.ts';
import { printJson, type Style, type Terminal } from '../terminal.ts';

export function fsckCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const summary =
    'Check what the grid keeps: journal, bodies, keys, what workers witnessed. Changes nothing. Exits 1 when something is damaged.';
  return runs<CommonFlags>(
    gridCommand('fsck', summary, 'fsck', 'fsck --home /var/lib/gryphgen --json'),
    invocation,
    async (flags) => {
      const { home } = settingsOf(terminal, flags);
      if (!existsSync(home)) throw new UsageError(`${home}: there is no such folder (GRID_HOME)`);
      const found = await checkedHome(terminal, flags, home);
      if (flags.json) printJson(terminal, found);
      else for (const line of checkLines(found, terminal.style)) terminal.out(`${line}\n`);
      return found.findings.some(({ level }) => level === 'damage') ? failedExit : 0;
    },
  );
}

export async function checkedHome(
  terminal: Terminal,
  flags: CommonFlags,
  home: string,
): Promise<CheckDocument> {
  const askBroker = (): Promise<CheckDocument> =>
    withClient(terminal, flags, (client) => client.request('fsck', {}));
  const isOfAdmin = !existsSync(join(home, 'journal')) && hasMembership(home);
  if (isOfAdmin && loadMembership(home).role === 'admin') return askBroker();
  // Imported here: no other command should wait for it.
  const { checkStoppedHome, JournalError } = await import('@gryphgen/broker');
  try {
    return checkStoppedHome(home);
  } catch (error) {
    if (error instanceof JournalError && error.code === 'locked') return askBroker();
    throw error;
  }
}

function checkLines(
  { home, live, journal, audit, witnesses, findings }: CheckDocument,
  style: Style,
): string[] {
  const where = live ? `${home}, while its broker runs` : home;
  const facts =
    journal === null
      ? 'no journal that can be read'
      : [
          `epoch ${journal.epoch}`,
          counted(journal.head.seq, 'commit', 'commits'),
          journal.snapshot === 0 ? 'no snapshot' : `a snapshot of commit ${journal.snapshot}`,
          counted(journal.bodies, 'body', 'bodies'),
          counted(journal.finished, 'finished task', 'finished tasks'),
          audit === null ? 'no audit log' : counted(audit.records, 'audit record', 'audit records'),
          counted(witnesses, 'witness', 'witnesses'),
        ].join(', ');
  const damage = findings.filter(({ level }) => level === 'damage').length;
  const verdict = damage === 0 ? style.green('clean') : style.red(`${damage} found damaged`);
  return [`${where}: ${facts}`, ...findings.flatMap((finding) => findingLines(finding, style)), verdict];
}

function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}

export function findingLines({ level, file, place, what, fix }: CheckFinding, style: Style): string[] {
  const name = [file, place].filter((part) => part !== '').join(', ');
  const word = level === 'damage' ? style.red('damage') : style.yellow('note  ');
  return [`${word} ${name}: ${what}`, `       ${fix}`];
}
