/**
 * The package of the version before, made of a commit of then: what is gone back to, and upgraded from. What it depends on is
 * today's, installed already.
 *
 * A clone that has no history has no such commit: then it is this checkout under another version, and says so. What 0.1.0
 * said on the wire and wrote on the disk is frozen beside the tests, and is tried everywhere: `frozen-wire.test.ts`,
 * `older-formats.test.ts`.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from './booted-root.fixture.ts';
import { built, debIn, relabelled } from './built-packages.fixture.ts';

/** Of 2026-11-22, 20:59. An older one does not know all kinds of decisions that today's broker writes, and says so. */
const commit = '7db441abb9af83d6b965fa20d9b4501e56d157d6';

/** Returns the file. `version`: what it says that it is. */
export function olderPackage(version: string): string {
  if (!hasHistory()) {
    console.warn(
      `upgrade: this clone does not have commit ${commit}, so THE OLDER PACKAGE IS THIS CHECKOUT under another version`,
    );
    return relabelled(debIn('first'), version);
  }
  const tree = join(built, 'older');
  const out = join(built, 'older-packages');
  mkdirSync(tree);
  const source = execFileSync('git', ['archive', commit], { cwd: projectRoot, maxBuffer: 256 << 20 });
  execFileSync('tar', ['-x', '-C', tree], { input: source });
  const modules = readdirSync(join(projectRoot, 'packages')).map((name) =>
    join('packages', name, 'node_modules'),
  );
  for (const path of ['node_modules', ...modules])
    if (existsSync(join(projectRoot, path)))
      execFileSync('cp', ['-a', '--link', join(projectRoot, path), join(tree, path)]);
  for (const path of ['package.json', 'packages/protocol/src/version.ts'])
    labelled(join(tree, path), version);
  const run = (command: string, ...args: readonly string[]) =>
    execFileSync(command, args, {
      cwd: tree,
      env: { ...process.env, SOURCE_DATE_EPOCH: '1700000000' },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  const ours = readdirSync(join(tree, 'packages')).map((name) => join('packages', name));
  // Its own checks were made then.
  run('node_modules/.bin/tsc', '--build', '--noCheck', ...ours);
  run('node', 'scripts/bundle.js');
  run('bash', 'scripts/package.sh', '--fast', out);
  rmSync(tree, { recursive: true });
  return debIn('older-packages');
}

function hasHistory(): boolean {
  try {
    execFileSync('git', ['cat-file', '-e', `${commit}^{commit}`], { cwd: projectRoot, stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function labelled(path: string, version: string): void {
  const text = readFileSync(path, 'utf8');
  const told = text.replace(/(version": "|productVersion = ')[^"']*/i, `$1${version}`);
  if (told === text) throw new Error(`${path} does not say a version`);
  writeFileSync(path, told);
}
