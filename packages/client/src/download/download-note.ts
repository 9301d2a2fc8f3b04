/** What is remembered beside a file that is brought from the web, so that another try goes on where the last one ended. */
import { readFile, stat } from 'node:fs/promises';
import { isMissing, replacePrivateFile } from '@gryphgen/runtime';
import { z } from 'zod';

/**
 * `etag`: as the server calls what came, '' for nothing that can be relied on; `sha256`: '' until all of it is there. `modified`
 * and `type`: when it was last changed, and what it is, by the server's word; '' where it says nothing.
 */
const noteSchema = z.object({
  etag: z.string(),
  sha256: z.string(),
  modified: z.string().default(''),
  type: z.string().default(''),
});
export type DownloadNote = z.infer<typeof noteSchema>;

const nothing: DownloadNote = { etag: '', sha256: '', modified: '', type: '' };

/** A note that is damaged says nothing. */
export async function readNote(path: string): Promise<DownloadNote> {
  try {
    return noteSchema.catch(nothing).parse(JSON.parse(await readFile(`${path}.note`, 'utf8')));
  } catch (error) {
    if (isMissing(error) || error instanceof SyntaxError) return nothing;
    throw error;
  }
}

export async function writeNote(path: string, note: DownloadNote): Promise<void> {
  await replacePrivateFile(`${path}.note`, JSON.stringify(note));
}

/** 0 of what is not there. */
export async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (isMissing(error)) return 0;
    throw error;
  }
}

/** Only a strong one says that bytes are the same. */
export function strongTag(etag: string | string[] | undefined): string {
  return typeof etag === 'string' && /^"[!-~]{0,200}"$/.test(etag) ? etag : '';
}

/** As it is written in a question whether it was changed since. */
export function changeTime(modified: string | string[] | undefined): string {
  return typeof modified === 'string' && /^[\w ,:+-]{1,64}$/.test(modified) ? modified : '';
}

/** Without its parameters. */
export function mediaType(type: string | string[] | undefined): string {
  const [found = ''] = /^[\w.+-]{1,64}\/[\w.+-]{1,64}/.exec(String(type ?? '')) ?? [];
  return found.toLowerCase();
}
