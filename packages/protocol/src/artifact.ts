/** Files that tasks are given and files that they make: by content, wherever they are. */
import { z } from 'zod';
import { limits } from './limits.ts';

/** The sha-256 of an artifact's manifest (runtime/artifacts). */
export const artifactDigest = z.string().regex(/^sha256:[0-9a-f]{64}$/, 'expected sha256: and 64 hex digits');

/** An artifact and its size, holes included. */
export const artifactRefSchema = z.object({
  digest: artifactDigest,
  bytes: z.number().int().min(0).max(limits.artifactBytes),
});
export type ArtifactRef = z.infer<typeof artifactRefSchema>;

const pathChars = 4096;

/** Where a task has an input, or leaves an output: absolute, as short as it can be written, not where the kernel shows itself. */
export function isContainerPath(path: string): boolean {
  return (
    path.length <= pathChars &&
    !path.includes('\0') &&
    path.startsWith('/') &&
    path
      .slice(1)
      .split('/')
      .every((part) => part !== '' && part !== '.' && part !== '..') &&
    !reserved.some((folder) => isWithin(path, folder))
  );
}
const reserved = ['/proc', '/sys', '/dev'];
export const containerPathWords =
  'an absolute path without "..", "." and "//", that is not / and not in /proc, /sys or /dev';

export function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder === '/' ? '/' : `${folder}/`);
}

export const containerPath = z.string().refine(isContainerPath, `expected ${containerPathWords}`);

/** An output in the task's root itself would need all of that to be writable. */
export function isOutputPath(path: string): boolean {
  return path.length <= limits.outputChars && isContainerPath(path) && path.lastIndexOf('/') > 0;
}
export const outputPathWords = `an absolute path in a folder, such as /out/result.json, of at most ${limits.outputChars} characters`;

/** Of a container or a process. A container sees inputs where they are put, read-only; a process in its scratch folder. */
export const fileFields = {
  inputs: z
    .array(artifactRefSchema.extend({ to: containerPath }))
    .max(limits.inputs)
    .optional(),
  outputs: z
    .array(z.string().refine(isOutputPath, `expected ${outputPathWords}`))
    .max(limits.outputs)
    .optional(),
};
export interface TaskFiles {
  readonly inputs?: readonly (ArtifactRef & { readonly to: string })[] | undefined;
  readonly outputs?: readonly string[] | undefined;
}

/** The folders that are made for a task's outputs: those they are in, of which none lies in another. */
export function outputFolders(outputs: readonly string[]): readonly string[] {
  const folders = [...new Set(outputs.map((path) => path.slice(0, path.lastIndexOf('/'))))];
  return folders.filter((folder) => !folders.some((other) => other !== folder && isWithin(folder, other)));
}
