/**
 * What a process is given and what it leaves: copies in its scratch folder, where `/in/data.csv` is `in/data.csv` of the
 * folder that it starts in.
 */
import { lstat, mkdir, realpath } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Failure, failure, outputFolders, type TaskFiles } from '@gryphgen/protocol';
import { copyOut, scanPath } from '@gryphgen/runtime';
import type { Files, GiveOptions, Left } from '../artifacts/attempt-files.ts';
import type { Fence } from '../core/fence.ts';

/** Null when all is there. Rejects with what the file system says. */
export async function fillScratch(
  fence: Fence,
  scratch: string,
  wanted: TaskFiles,
  files: Files,
  options: GiveOptions,
): Promise<Failure | null> {
  const given = await files.give(fence, wanted, options);
  if (!given.ok) return given.failure;
  for (const { to, manifest } of given.value) {
    const path = join(scratch, to);
    await mkdir(dirname(path), { recursive: true });
    await copyOut(manifest, (id) => files.fileOf(id), path);
  }
  for (const folder of outputFolders(wanted.outputs ?? []))
    await mkdir(join(scratch, folder), { recursive: true });
  return null;
}

/** An output of a process that has ended. */
export async function leftIn(scratch: string, output: string): Promise<Left> {
  const path = join(scratch, output);
  try {
    await lstat(path);
    if ((await realpath(dirname(path))) !== join(await realpath(scratch), dirname(output)))
      return failure('rejected.invalid', 'its folder was replaced by a link');
  } catch {
    return missing();
  }
  return await scanPath(path, { name: output });
}

function missing(): Failure {
  return failure('rejected.not-found', 'the task has not left it');
}
