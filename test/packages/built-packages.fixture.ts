/** The packages of this checkout, made anew, and the same under other versions. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from './booted-root.fixture.ts';

mkdirSync(join(projectRoot, '.tmp'), { recursive: true });
/** Everything made here lies in it. */
export const built = mkdtempSync(join(projectRoot, '.tmp', 'packages-'));

/** Returns what was made, by name. */
export function build(
  folder: string,
  env: Readonly<Record<string, string>>,
  ...args: readonly string[]
): readonly Buffer[] {
  const out = join(built, folder);
  execFileSync('bash', ['scripts/package.sh', '--fast', ...args, out], {
    cwd: projectRoot,
    env: { ...process.env, SOURCE_DATE_EPOCH: '1700000000', ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return readdirSync(out)
    .sort()
    .map((name) => readFileSync(join(out, name)));
}

/** The same package under another version. */
export function relabelled(deb: string, version: string): string {
  const tree = join(built, version);
  const made = join(built, `gryphgen_${version}_test.deb`);
  execFileSync('dpkg-deb', ['-R', deb, tree]);
  const control = join(tree, 'DEBIAN', 'control');
  writeFileSync(control, readFileSync(control, 'utf8').replace(/^Version: .*$/m, `Version: ${version}`));
  const program = join(tree, 'usr/lib/gryphgen/packages/cli/dist/grid');
  execFileSync('sed', [
    '-i',
    `s/productVersion = "[^"]*"/productVersion = "${version}"/`,
    ...readdirSync(program).map((name) => join(program, name)),
  ]);
  execFileSync('dpkg-deb', ['--root-owner-group', '-Znone', '-b', tree, made], { stdio: 'ignore' });
  rmSync(tree, { recursive: true });
  return made;
}

export const debIn = (folder: string) => {
  const [name = ''] = readdirSync(join(built, folder)).filter((file) => file.endsWith('.deb'));
  return join(built, folder, name);
};
