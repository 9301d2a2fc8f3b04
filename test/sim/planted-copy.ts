/** A copy of the built packages with one bug planted, resolved as packages of its own; everything else is shared. */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PlantedBug } from './planted-bugs.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const scope = '@gryphgen';

export interface PlantedCopy {
  /** Its explore-child.js. */
  readonly child: string;
  remove(): void;
}

/** Throws when the snippet is not in the file exactly once. */
export function plant(bug: PlantedBug): PlantedCopy {
  const home = join(root, '.tmp/planted', bug.name.replaceAll(/[^a-z]+/g, '-'));
  rmSync(home, { recursive: true, force: true });
  const packages = join(home, 'node_modules', scope);
  mkdirSync(packages, { recursive: true });
  for (const name of readdirSync(join(root, 'packages'))) {
    if (name.endsWith('.json')) continue;
    const [from, to] = [join(root, 'packages', name), join(packages, name)];
    cpSync(join(from, 'package.json'), join(to, 'package.json'));
    if (existsSync(join(from, 'node_modules')))
      symlinkSync(join(from, 'node_modules'), join(to, 'node_modules'));
    cpSync(join(from, 'dist'), join(to, 'dist'), {
      recursive: true,
      filter: (path) => !path.endsWith('.map') && !path.endsWith('.d.ts'),
    });
  }
  const file = join(packages, bug.file);
  const text = readFileSync(file, 'utf8');
  const found = text.split(bug.snippet).length - 1;
  if (found !== 1)
    throw new Error(`${bug.name}: its snippet is ${found} times in ${bug.file}, expected once`);
  writeFileSync(
    file,
    text.replace(bug.snippet, () => bug.instead),
  );
  return {
    child: join(packages, 'testkit/dist/explore-child.js'),
    remove: () => rmSync(home, { recursive: true, force: true }),
  };
}
