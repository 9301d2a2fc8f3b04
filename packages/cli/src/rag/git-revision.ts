/**
 * A revision of a repository as files, by `git` itself.
 *
 * 1. No shell sees what a person wrote, and nothing of it can be taken for a flag: a revision is looked up first, and from then on
 *    its commit is named.
 * 2. Nothing is fetched, asked for or run that the repository's own settings name for looking at it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { pipeline } from 'node:stream/promises';
import { UsageError } from '../problem.ts';

/** What is told of what went wrong. */
const shownChars = 300;

/** The commit. Throws UsageError. */
export async function commitOf(folder: string, revision: string): Promise<string> {
  const { code, out, err } = await ended(git(folder, 'rev-parse', '--verify', `${revision}^{commit}`));
  const commit = out.trim();
  if (code === 0 && /^[0-9a-f]{40,64}$/.test(commit)) return commit;
  throw new UsageError(`${folder} has no revision ${revision}: ${err.trim().slice(0, shownChars)}`);
}

/** The files of a commit below the folder. Throws UsageError. */
export async function extractCommit(folder: string, commit: string, into: string): Promise<void> {
  const archive = git(folder, 'archive', '--format=tar', commit);
  const tar = spawn('tar', ['-x', '-f', '-', '-C', into, '--no-same-owner'], {
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  const endings = Promise.all([ended(archive, false), ended(tar)]);
  // Who reads no more has ended, and says why itself.
  await pipeline(archive.stdout as NodeJS.ReadableStream, tar.stdin as NodeJS.WritableStream).catch(
    () => undefined,
  );
  const [made, unpacked] = await endings;
  for (const { code, err } of [made, unpacked])
    if (code !== 0)
      throw new UsageError(`${folder} cannot be read at ${commit}: ${err.trim().slice(0, shownChars)}`);
}

function git(folder: string, ...args: readonly string[]): ChildProcess {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('GIT_')));
  return spawn('git', ['-c', 'core.fsmonitor=false', '-C', folder, ...args], {
    env: { ...env, LC_ALL: 'C', GIT_TERMINAL_PROMPT: '0', GIT_OPTIONAL_LOCKS: '0', GIT_NO_LAZY_FETCH: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Rejects with UsageError when the program is not there. Of what it says the beginning is kept. */
function ended(child: ChildProcess, keepsOut = true): Promise<Ended> {
  let [out, err] = ['', ''];
  if (keepsOut)
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      if (out.length < shownChars) out += text;
    });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    if (err.length < shownChars) err += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', (error) =>
      reject(new UsageError(`${child.spawnfile} cannot be run on this machine: ${error.message}`)),
    );
    child.once('close', (code) => resolve({ code, out, err }));
  });
}
