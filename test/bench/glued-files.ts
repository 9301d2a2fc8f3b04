/** Files such as people have, made of the documents of a judged collection. */
import type { JudgedDocument } from './retrieval-collections.ts';

export interface GluedFile {
  readonly path: string;
  readonly bytes: Buffer;
}

/** Files of the size that people have, each other than all before: so many documents one after the other. */
export function glued(
  documents: readonly JudgedDocument[],
  each: number,
  extension: string,
  bytes: number,
): readonly GluedFile[] {
  const files: GluedFile[] = [];
  for (let size = 0, n = 0; size < bytes; n += 1) {
    const texts = Array.from(
      { length: each },
      (_, at) => documents[(n * each + at * (n + 1)) % documents.length]?.text,
    );
    const content = Buffer.from(texts.join('\n\n'));
    files.push({ path: `folder-${n % 50}/file-${n}.${extension}`, bytes: content });
    size += content.byteLength;
  }
  return files;
}
