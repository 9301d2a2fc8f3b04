/**
 * A model from its file, or from all of its parts: `name-00001-of-00003.gguf` and so on, named by any of them. Reads headers
 * alone, in chunks.
 */
import { open } from 'node:fs/promises';
import type { ModelDescription } from '@gryphgen/protocol';
import { isMissing } from '../missing.ts';
import { type ByteSource, GgufProblem } from './byte-cursor.ts';
import { describeModel, type GgufModel } from './describe-model.ts';
import { Metadata } from './metadata.ts';
import { type GgufHeader, readHeader } from './read-header.ts';

export type ReadModel =
  | { readonly kind: 'read'; readonly model: ModelDescription; readonly files: readonly string[] }
  /** In words, with the file and what in it: not a model, damaged, or a part missing. */
  | { readonly kind: 'refused'; readonly reason: string };

/** More parts than any model has: 99,999 would be opened otherwise. */
const maxParts = 1024;

export async function readModel(path: string): Promise<ReadModel> {
  let at = path;
  try {
    const files = partsOf(path);
    const headers: GgufHeader[] = [];
    for (const file of files) {
      at = file;
      headers.push(await readPart(file, headers.length, files.length));
    }
    at = files[0] ?? path;
    return { kind: 'read', model: describeModel(joined(headers)), files };
  } catch (error) {
    if (error instanceof GgufProblem) return { kind: 'refused', reason: `${at}: ${error.message}` };
    if (isMissing(error)) return { kind: 'refused', reason: `${at}: there is no such file` };
    throw error;
  }
}

const partName = /^(.*)-([0-9]{5})-of-([0-9]{5})\.gguf$/s;

function partsOf(path: string): readonly string[] {
  const [, prefix, , total = ''] = partName.exec(path) ?? [];
  if (prefix === undefined) return [path];
  const count = Number(total);
  if (count < 1 || count > maxParts)
    throw new GgufProblem(`it has ${count} parts: 1 to ${maxParts} are allowed`);
  return Array.from(
    { length: count },
    (_, i) => `${prefix}-${String(i + 1).padStart(5, '0')}-of-${total}.gguf`,
  );
}

async function readPart(path: string, index: number, parts: number): Promise<GgufHeader> {
  const file = await open(path);
  try {
    const stat = await file.stat();
    if (!stat.isFile()) throw new GgufProblem('it is not a file');
    const read = async (offset: number, length: number): Promise<Buffer> => {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset);
      if (bytesRead < length)
        throw new GgufProblem(`it ended at byte ${offset + bytesRead} while it was read`);
      return buffer;
    };
    const source: ByteSource = { bytes: stat.size, read };
    const header = await readHeader(source);
    checkPart(new Metadata(header.metadata), index, parts);
    return header;
  } finally {
    await file.close();
  }
}

function checkPart(metadata: Metadata, index: number, parts: number): void {
  const count = metadata.count('split.count') ?? 1;
  const number = metadata.count('split.no') ?? 0;
  if (count !== parts)
    throw new GgufProblem(
      parts === 1
        ? `it is part ${number + 1} of ${count}, and is not named like one: name-00001-of-00002.gguf`
        : `split.count is ${count}, and its name says ${parts}`,
    );
  if (number !== index) throw new GgufProblem(`split.no is ${number}, and its name says ${index}`);
}

/** The first part has the keys; each has its own tensors. */
function joined(headers: readonly GgufHeader[]): GgufModel {
  const metadata = new Metadata(headers[0]?.metadata ?? new Map());
  const tensors = headers.flatMap((header) => header.tensors);
  const names = new Set(tensors.map(({ name }) => name));
  if (names.size < tensors.length) throw new GgufProblem('a tensor is in two of its parts');
  const told = metadata.count('split.tensors.count') ?? tensors.length;
  if (told !== tensors.length)
    throw new GgufProblem(`split.tensors.count is ${told}, and its parts have ${tensors.length}`);
  return { metadata, tensors, fileBytes: headers.reduce((sum, header) => sum + header.fileBytes, 0) };
}
