/**
 * What daemons have said that systemd started: it goes to the journal of the machine, and to no file of their home.
 *
 * 1. Only the journals of services of this home are read; a unit's name stands in a list of arguments, and in no shell.
 * 2. Newest first, so that the bound cuts what is old; then turned round.
 */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { chosenHome, installedHome, unitPlace } from '../systemd/unit-place.ts';
import { daemons, type Scope } from '../systemd/unit-text.ts';

/** A journal of years on a slow disk. */
const answerMs = 20_000;
/** Drop-ins that are looked at; a machine has a few. */
const mostUnits = 100;

type Environment = Readonly<Record<string, string | undefined>>;

export interface JournalUnit {
  readonly unit: string;
  readonly scope: Scope;
}

/** Services with this home: those of packages, and those that `grid service install` has made, of whatever name. */
export function unitsOf(home: string, env: Environment): readonly JournalUnit[] {
  const found: JournalUnit[] = [];
  for (const scope of ['system', 'user'] as const)
    for (const daemon of daemons) {
      const own = unitPlace(daemon, scope, undefined, env);
      if (installedHome(own) === home) found.push({ unit: own.unit, scope });
      for (const name of namesIn(dirname(dirname(own.dropInPath)), daemon)) {
        const place = unitPlace(daemon, scope, name, env);
        if (chosenHome(place) === home) found.push({ unit: place.unit, scope });
      }
    }
  return found.slice(0, mostUnits);
}

function namesIn(folder: string, daemon: string): readonly string[] {
  if (!existsSync(folder)) return [];
  const pattern = new RegExp(`^gryphgen-${daemon}-([a-z0-9][a-z0-9-]{0,30})\\.service\\.d$`);
  return readdirSync(folder).flatMap((entry) => pattern.exec(entry)?.[1] ?? []);
}

/** Its end, at most so many bytes, from the beginning of a line. Rejects in words of why there is none. */
export async function journalEnd(
  { unit, scope }: JournalUnit,
  maxBytes: number,
  env: Environment,
): Promise<string> {
  const user = scope === 'user' ? ['--user'] : [];
  const how = ['--quiet', '--no-pager', '--reverse', '--output=short-iso', `--unit=${unit}`];
  const bounds = { timeout: answerMs, maxBuffer: maxBytes };
  const options = { ...bounds, env: { ...env, LC_ALL: 'C' }, encoding: 'buffer' } as const;
  const { error, stdout, stderr } = await new Promise<{
    error: (Error & { code?: unknown }) | null;
    stdout: string;
    stderr: string;
  }>((resolve) => {
    execFile('journalctl', [...user, ...how], options, (error, stdout, stderr) =>
      resolve({ error, stdout: String(stdout), stderr: String(stderr) }),
    );
  });
  const isCut = error?.code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER';
  if (error !== null && !isCut) {
    if (error.code === 'ENOENT') throw new Error('journalctl is not here');
    throw new Error(`journalctl: ${stderr.trim() || error.message}`);
  }
  const lines = stdout.split('\n');
  // What follows the last line's end: nothing, or a line that was cut.
  lines.pop();
  if (lines.length > 0) return `${lines.reverse().join('\n')}\n`;
  throw new Error(
    `the journal shows nothing of ${unit}: it has said nothing, or this user may not read it (root, and group systemd-journal or adm, may)`,
  );
}
