/** Finds a program as a shell does, so that one that is not there is told apart from one that exits with 127. */
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { delimiter, resolve } from 'node:path';

/** The program's path, or why it cannot be run. */
export async function findProgram(
  name: string,
  path: string,
  cwd: string,
): Promise<{ readonly path: string } | { readonly why: string }> {
  if (name.includes('/')) {
    const found = resolve(cwd, name);
    return (await isProgram(found)) ? { path: found } : { why: `${name} is not a program that can be run` };
  }
  for (const folder of path.split(delimiter).filter((entry) => entry.startsWith('/'))) {
    if (await isProgram(resolve(folder, name))) return { path: resolve(folder, name) };
  }
  return { why: `there is no program ${name} in ${path}` };
}

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
