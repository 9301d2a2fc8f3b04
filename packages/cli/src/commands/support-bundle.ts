/**
 * `grid support-bundle`: one file for whoever is to find out what is wrong: versions, settings, what doctor and fsck say,
 * machines, counters, the ends of the logs. Secrets are taken out (support/redaction).
 *
 * 1. What cannot be had (no grid, no engine, not allowed) is named in its place, and ends nothing.
 * 2. Where a key file cannot be read, what to cut out of the logs is not known: they are left out.
 */
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { release, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { formatBytes, formatTime, productVersion } from '@gryphgen/protocol';
import { writeArchive } from '@gryphgen/runtime';
import { Argument, type Command } from 'commander';
import { gridCommand, type Invocation, runs } from '../command.ts';
import { UsageError } from '../problem.ts';
import { withClient } from '../session.ts';
import { type CommonFlags, settingsOf } from '../settings.ts';
import { type JournalUnit, journalEnd, unitsOf } from '../support/journals.ts';
import { knownSecrets, redacted, redactedJson } from '../support/redaction.ts';
import { printJson, type Terminal } from '../terminal.ts';
import { examine } from './doctor.ts';
import { checkedHome } from './fsck.ts';

/** Of each log, of a file or of the journal, its end. */
const logBytes = 512 * 1024;

export function supportBundleCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const summary =
    'Gather what is needed to find out what is wrong into one file: versions, settings, doctor, fsck, machines, counters, ends of logs. Secrets are taken out; look into it before you send it (tar -xf).';
  const command = gridCommand(
    'support-bundle',
    summary,
    'support-bundle',
    'support-bundle /tmp/grid-support.tar',
  ).addArgument(new Argument('[file]', 'made, for its owner alone; must not be there yet'));
  return runs<CommonFlags>(command, invocation, async (flags, [named]) => {
    const madeAt = Date.now();
    const path = resolve(named ?? `grid-support-${formatTime(madeAt).replaceAll(':', '-')}.tar`);
    if (existsSync(path)) throw new UsageError(`${path} is there already: choose another name`);
    const folder = mkdtempSync(join(tmpdir(), 'grid-support-'));
    try {
      const parts = await gather(terminal, flags);
      const sources = Object.entries(parts).map(([name, text], at) => {
        const draft = join(folder, String(at));
        writeFileSync(draft, text, { mode: 0o600 });
        return { name, path: draft };
      });
      const content = {
        kind: 'gryphgen support bundle',
        program: productVersion,
        about: { madeAt },
        sources,
      };
      const { files } = writeArchive(path, content);
      if (flags.json) printJson(terminal, { file: path, files });
      else for (const { name, bytes } of files) terminal.out(`${name}  ${formatBytes(bytes)}\n`);
      if (!flags.json)
        terminal.out(
          `${path}: look into it before you send it; keys, tickets, tokens and values of variables are cut\n`,
        );
      return 0;
    } catch (error) {
      rmSync(path, { force: true });
      throw error;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
}

/** Texts by the names they get. */
async function gather(terminal: Terminal, flags: CommonFlags): Promise<Record<string, string>> {
  const { origins, ...settings } = settingsOf(terminal, flags);
  const { secrets, unread } = knownSecrets(settings.home);
  const parts: Record<string, string> = {};
  const put = async (name: string, make: () => unknown): Promise<void> => {
    let made: unknown;
    try {
      made = await make();
    } catch (error) {
      made = { unavailable: error instanceof Error ? error.message : String(error) };
    }
    parts[name] = typeof made === 'string' ? made : `${redactedJson(made, secrets)}\n`;
  };
  // Nobody reads what a command says on its way here.
  const quiet: Terminal = {
    ...terminal,
    isTty: false,
    columns: 200,
    rows: 24,
    out: () => undefined,
    err: () => undefined,
  };
  const { platform, arch, versions } = process;
  await put('versions.json', () => ({
    grid: productVersion,
    node: versions.node,
    platform,
    arch,
    kernel: release(),
  }));
  await put('settings.json', () => ({ settings, origins }));
  await put('doctor.json', () => examine(quiet, settingsOf(terminal, flags)));
  await put('fsck.json', () => checkedHome(quiet, flags, settings.home));
  await put('status.json', () => withClient(quiet, flags, (client) => client.request('status', {})));
  await put('nodes.json', () => withClient(quiet, flags, (client) => client.request('nodes', {})));
  const logs = join(settings.home, 'logs');
  let named: readonly string[] = [];
  await put('logs.json', () => {
    if (unread.length > 0) throw new Error(`left out: what to cut is not known without ${unread.join(', ')}`);
    named = existsSync(logs) ? readdirSync(logs).filter((name) => /^[a-z0-9.-]{1,80}$/.test(name)) : [];
    return named;
  });
  for (const name of named) await put(`logs/${name}`, () => redacted(endOf(join(logs, name)), secrets));
  if (unread.length > 0) return parts;
  let units: readonly JournalUnit[] = [];
  await put('journals.json', () => {
    units = unitsOf(settings.home, terminal.env);
    return units.map(({ scope, unit }) => `${scope}/${unit}`);
  });
  for (const unit of units)
    await put(`journals/${unit.scope}/${unit.unit}`, async () =>
      redacted(await journalEnd(unit, logBytes, terminal.env), secrets),
    );
  return parts;
}

/** From the beginning of a line. */
function endOf(path: string): string {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const bytes = Buffer.alloc(Math.min(size, logBytes));
    const read = readSync(file, bytes, 0, bytes.byteLength, size - bytes.byteLength);
    const text = bytes.toString('utf8', 0, read);
    return size > logBytes ? text.slice(text.indexOf('\n') + 1) : text;
  } finally {
    closeSync(file);
  }
}
