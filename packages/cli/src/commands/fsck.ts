/** `grid fsck`: whether what this grid keeps is whole: asked of the running broker, or read in the home of a stopped one. */
import { existsSync } from 'node:fs';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { hasMembership, loadMembership } from '@gryphgen/client';
import {
  type ArtifactsCheckDocument,
  type CheckDocument,
  type CheckFinding,
  formatBytes,
} from '@gryphgen/protocol';
import type { Command } from 'commander';
import { gridCommand, type Invocation, runs } from '../command.ts';
import { failedExit, interruptedExit } from '../exit-codes.ts';
import { onInterrupt } from '../follow.ts';
import { ProgressLines } from '../images/progress-lines.ts';
import { Exit, UsageError } from '../problem.ts';
import { transferBar } from '../render/transfer-view.ts';
import { withClient } from '../session.ts';
import { type CommonFlags, settingsOf } from '../settings.ts';
import { printJson, type Style, type Terminal } from '../terminal.ts';

interface FsckFlags extends CommonFlags {
  readonly artifacts?: true;
  readonly putAside?: true;
}

/** Reading all there is goes behind whatever else the machine does. */
const niceness = 10;

export function fsckCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const summary =
    'Check what the grid keeps: journal, bodies, keys, what workers witnessed. Changes nothing. Exits 1 when something is damaged.';
  const command = gridCommand(
    'fsck',
    summary,
    'fsck',
    'fsck --artifacts',
    'fsck --home /var/lib/gryphgen --json',
  )
    .option('--artifacts', 'read and hash the files of tasks and the logs in this home, too')
    .option('--put-aside', 'with --artifacts, of a home that no daemon runs on: move what is bad away');
  return runs<FsckFlags>(command, invocation, async (flags) => {
    if (flags.putAside && !flags.artifacts) throw new UsageError('--put-aside goes with --artifacts');
    const { home } = settingsOf(terminal, flags);
    if (!existsSync(home)) throw new UsageError(`${home}: there is no such folder (GRID_HOME)`);
    const checked = await checkedHome(terminal, flags, home);
    const found = flags.artifacts ? await withArtifacts(terminal, flags, home, checked) : checked;
    if (flags.json) printJson(terminal, found);
    else for (const line of checkLines(found, terminal.style)) terminal.out(`${line}\n`);
    return found.findings.some(({ level }) => level === 'damage') ? failedExit : 0;
  });
}

async function withArtifacts(
  terminal: Terminal,
  flags: FsckFlags,
  home: string,
  checked: CheckDocument,
): Promise<CheckDocument> {
  const { checkArtifacts } = await import('@gryphgen/broker');
  if (process.platform === 'linux') setPriority(niceness);
  const stop = new AbortController();
  const forget = onInterrupt(() => stop.abort(new Exit(interruptedExit)));
  const shown = { what: '', bytes: 0, of: 0, sinceMs: 0 };
  const lines = new ProgressLines(terminal, () => {
    const { what, bytes, of, sinceMs } = shown;
    return what === '' ? [] : [`${what}  ${transferBar(bytes, of, performance.now() - sinceMs)}`];
  });
  try {
    const { facts, findings } = await checkArtifacts({
      home,
      putAside: flags.putAside === true,
      wallMs: Date.now(),
      signal: stop.signal,
      onRead: (what, bytes, of) => {
        if (what !== shown.what) shown.sinceMs = performance.now();
        Object.assign(shown, { what, bytes, of });
      },
    });
    return { ...checked, findings: [...checked.findings, ...findings], artifacts: facts };
  } finally {
    lines.wipe();
    forget();
  }
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
  { home, live, journal, audit, witnesses, findings, artifacts }: CheckDocument,
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
  const files = artifacts === undefined ? [] : [filesLine(artifacts)];
  return [
    `${where}: ${facts}`,
    ...files,
    ...findings.flatMap((finding) => findingLines(finding, style)),
    verdict,
  ];
}

function filesLine(found: ArtifactsCheckDocument): string {
  const { artifacts, badArtifacts, logs, badLogs, logsWithoutSum, bytes } = found;
  const parts = [
    `${counted(artifacts, 'artifact', 'artifacts')}, ${badArtifacts} bad`,
    `${counted(logs, 'log', 'logs')}, ${badLogs} bad`,
    ...(logsWithoutSum > 0 ? [`${logsWithoutSum} kept by an older grid, which can only be read`] : []),
    `${formatBytes(bytes)} read`,
  ];
  return `files: ${parts.join(', ')}`;
}

function counted(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}

export function findingLines({ level, file, place, what, fix }: CheckFinding, style: Style): string[] {
  const name = [file, place].filter((part) => part !== '').join(', ');
  const word = level === 'damage' ? style.red('damage') : style.yellow('note  ');
  return [`${word} ${name}: ${what}`, `       ${fix}`];
}
