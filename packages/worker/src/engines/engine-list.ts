/**
 * The llama-servers that this machine's owner has added: `engines.json` in `$GRID_HOME`, the preferred first. Written by
 * `grid engine`, read by the worker with each look at its engines.
 *
 * 1. It names programs that run as the worker: as much to be trusted as the rest of `$GRID_HOME`.
 */
import { watch } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, isAbsolute, join } from 'node:path';
import { engineNameWords, isEngineName, limits } from '@gryphgen/protocol';
import { isMissing, parseJson, replacePrivateFile } from '@gryphgen/runtime';
import { z } from 'zod';

const listSchema = z.strictObject({
  engines: z
    .array(
      z.strictObject({
        name: z.string().refine(isEngineName, `expected ${engineNameWords}`),
        path: z.string().max(4096).refine(isAbsolute, 'expected an absolute path'),
      }),
    )
    .max(limits.modelEngines),
});
export type AddedEngine = z.infer<typeof listSchema>['engines'][number];

function engineListPath(home: string): string {
  return join(home, 'engines.json');
}

/** What is wrong with the file, in words, where something is. */
export async function readEngineList(home: string): Promise<readonly AddedEngine[] | string> {
  const path = engineListPath(home);
  try {
    const read = listSchema.safeParse(parseJson(await readFile(path, 'utf8')));
    if (read.success) return read.data.engines;
    const [issue] = read.error.issues;
    return `${path}: ${[...(issue?.path ?? []), issue?.message ?? 'is not valid'].join(' ')}`;
  } catch (error) {
    if (isMissing(error)) return [];
    return `${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`;
  }
}

export async function writeEngineList(home: string, engines: readonly AddedEngine[]): Promise<void> {
  await replacePrivateFile(engineListPath(home), `${JSON.stringify({ engines }, undefined, 2)}\n`);
}

/** Calls `changed` after each change, until the watch is closed; `failed` when it cannot be watched (any more). */
export function watchEngineList(
  home: string,
  changed: () => void,
  failed: (error: unknown) => void,
): { close(): void } {
  try {
    const name = basename(engineListPath(home));
    const watching = watch(home, { persistent: false }, (_, file) => {
      if (file === name) changed();
    });
    watching.on('error', failed);
    return watching;
  } catch (error) {
    failed(error);
    return { close: () => undefined };
  }
}
