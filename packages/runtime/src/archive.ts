/**
 * Files in one file that vouches for each of its bytes: a plain tar, which begins with a manifest and its sha-256.
 *
 *   manifest.json     one line: what it is, and each file with its size and sha-256
 *   manifest.sha256   of that line
 *   the files, in the manifest's order
 *
 * 1. A tar made here has no freedom: each header, padding and end is as it must be, or it is told where it is not. What
 *    is in it is known to be whole, not to be true: whoever can write the file can make another.
 * 2. A name is one that the reader expects: none leads out of the folder, none comes twice.
 * 3. Of a later format the manifest is read, so that it can be said which program reads it.
 */
import { createHash, hash } from 'node:crypto';
import { closeSync, fstatSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { failure, GridError } from '@gryphgen/protocol';
import { z } from 'zod';
import { parseJson } from './json.ts';
import { readTarHeader, tarBlockBytes, tarPadding, writeTarHeader } from './tar-header.ts';

const format = 1;
const manifestName = 'manifest.json';
const sumName = 'manifest.sha256';
const maxManifestBytes = 1024 * 1024;
const maxFiles = 1000;
const chunkBytes = 1024 * 1024;

const fileSchema = z.object({
  name: z.string().min(1).max(100),
  bytes: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
});
const manifestSchema = z.object({
  kind: z.string().max(64),
  format: z.number().int().min(1),
  /** The version that made it. */
  program: z.string().max(64),
  about: z.record(z.string(), z.unknown()),
  files: z.array(fileSchema).max(maxFiles),
});
export type ArchiveManifest = Readonly<z.infer<typeof manifestSchema>>;

export interface ArchiveSource {
  readonly name: string;
  readonly path: string;
}

export interface ArchiveContent extends Pick<ArchiveManifest, 'kind' | 'program' | 'about'> {
  readonly sources: readonly ArchiveSource[];
}

/** Makes the file at `path`, which is not there yet, for its owner alone; synced when it returns. Throws what the file system says. */
export function writeArchive(path: string, { sources, ...told }: ArchiveContent): ArchiveManifest {
  const files = sources.map(({ name, path: from }) => ({ name, ...measure(from) }));
  const manifest: ArchiveManifest = {
    kind: told.kind,
    format,
    program: told.program,
    about: told.about,
    files,
  };
  const line = Buffer.from(`${JSON.stringify(manifest)}\n`);
  const target = openSync(path, 'wx', 0o600);
  try {
    const write = (bytes: Uint8Array): void => {
      for (let at = 0; at < bytes.byteLength; ) at += writeSync(target, bytes, at);
    };
    const member = (name: string, content: Uint8Array): void => {
      write(writeTarHeader(name, content.byteLength));
      write(content);
      write(Buffer.alloc(tarPadding(content.byteLength)));
    };
    member(manifestName, line);
    member(sumName, sumLine(line));
    for (const [at, { name, bytes, sha256 }] of files.entries()) {
      write(writeTarHeader(name, bytes));
      const sum = createHash('sha256');
      readAll((sources[at] as ArchiveSource).path, (chunk) => {
        sum.update(chunk);
        write(chunk);
      });
      if (sum.digest('hex') !== sha256) throw new Error(`${name} changed while it was copied`);
      write(Buffer.alloc(tarPadding(bytes)));
    }
    write(Buffer.alloc(2 * tarBlockBytes));
    fsyncSync(target);
  } finally {
    closeSync(target);
  }
  return manifest;
}

export interface ArchiveReading {
  readonly kind: string;
  readonly names: RegExp;
  /** Is given each file's bytes as they come; they count when the reading has returned. */
  readonly onBytes?: (name: string, bytes: Uint8Array) => void;
}

/** Reads and verifies all of it. Throws GridError `rejected.invalid`, with the place, and what the file system says. */
export function readArchive(path: string, { kind, names, onBytes }: ArchiveReading): ArchiveManifest {
  const file = openSync(path, 'r');
  try {
    const reader = new ArchiveReader(path, file);
    const manifest = reader.manifest(kind);
    const seen = new Set<string>();
    for (const { name, bytes, sha256 } of manifest.files) {
      if (!names.test(name) || seen.has(name))
        throw reader.refusal(`its manifest names ${JSON.stringify(name)}`);
      seen.add(name);
      reader.file(name, bytes, sha256, (chunk) => onBytes?.(name, chunk));
    }
    reader.end();
    return manifest;
  } finally {
    closeSync(file);
  }
}

class ArchiveReader {
  private readonly path: string;
  private readonly descriptor: number;
  private readonly size: number;
  private at = 0;

  constructor(path: string, descriptor: number) {
    this.path = path;
    this.descriptor = descriptor;
    this.size = fstatSync(descriptor).size;
  }

  manifest(kind: string): ArchiveManifest {
    if (this.size === 0) throw this.refusal('it is empty');
    const header = readTarHeader(this.take(tarBlockBytes, 'its first header'));
    if (header?.name !== manifestName || header.bytes > maxManifestBytes)
      throw this.refusal(`it is no ${kind}`);
    this.at = 0;
    const line = this.member(manifestName, header.bytes);
    const sum = this.member(sumName, sumLine(line).byteLength);
    if (!sum.equals(sumLine(line))) throw this.refusal('its manifest is damaged');
    const parsed = manifestSchema.safeParse(parseJson(line.toString()));
    const told = z
      .object({ kind: z.string(), format: z.number(), program: z.string() })
      .safeParse(parseJson(line.toString())).data;
    if (told?.kind !== kind) throw this.refusal(`it is no ${kind}`);
    if (told.format > format) {
      const words = `it has format ${told.format}, of gryphgen ${told.program}; this program reads format ${format}: use the newer one`;
      throw this.refusal(words);
    }
    if (!parsed.success) throw this.refusal(`its manifest makes no sense: ${z.prettifyError(parsed.error)}`);
    return parsed.data;
  }

  file(name: string, bytes: number, sha256: string, onBytes: (chunk: Uint8Array) => void): void {
    this.header(name, bytes);
    const begins = this.at;
    const sum = createHash('sha256');
    for (let left = bytes; left > 0; ) {
      const chunk = this.take(Math.min(left, chunkBytes), name);
      sum.update(chunk);
      onBytes(chunk);
      left -= chunk.byteLength;
    }
    if (sum.digest('hex') !== sha256)
      throw this.refusal(
        `${name} (bytes ${begins} to ${begins + bytes}) is damaged: its sha-256 is not the manifest's`,
      );
    this.zeros(tarPadding(bytes), name);
  }

  end(): void {
    this.zeros(2 * tarBlockBytes, 'its end');
    if (this.at !== this.size)
      throw this.refusal(`${this.size - this.at} bytes follow its end, at byte ${this.at}`);
  }

  refusal(what: string): GridError {
    return new GridError(failure('rejected.invalid', `${this.path}: ${what}`));
  }

  private member(name: string, bytes: number): Buffer {
    this.header(name, bytes);
    const content = this.take(bytes, name);
    this.zeros(tarPadding(bytes), name);
    return content;
  }

  private header(name: string, bytes: number): void {
    const begins = this.at;
    if (!this.take(tarBlockBytes, `the header of ${name}`).equals(writeTarHeader(name, bytes)))
      throw this.refusal(`the header of ${name}, at byte ${begins}, is damaged`);
  }

  private zeros(bytes: number, after: string): void {
    const begins = this.at;
    if (this.take(bytes, after).some((byte) => byte !== 0))
      throw this.refusal(`it is damaged after ${after}, from byte ${begins}`);
  }

  private take(bytes: number, of: string): Buffer {
    const taken = Buffer.alloc(bytes);
    let got = 0;
    while (got < bytes) {
      const read = readSync(this.descriptor, taken, got, bytes - got, this.at + got);
      if (read === 0) throw this.refusal(`it is cut: it ends at byte ${this.size}, within ${of}`);
      got += read;
    }
    this.at += bytes;
    return taken;
  }
}

function measure(path: string): { readonly bytes: number; readonly sha256: string } {
  const sum = createHash('sha256');
  let bytes = 0;
  readAll(path, (chunk) => {
    sum.update(chunk);
    bytes += chunk.byteLength;
  });
  return { bytes, sha256: sum.digest('hex') };
}

function readAll(path: string, onBytes: (chunk: Uint8Array) => void): void {
  const file = openSync(path, 'r');
  const chunk = Buffer.alloc(chunkBytes);
  try {
    for (let read = readSync(file, chunk); read > 0; read = readSync(file, chunk))
      onBytes(chunk.subarray(0, read));
  } finally {
    closeSync(file);
  }
}

function sumLine(line: Uint8Array): Buffer {
  return Buffer.from(`${hash('sha256', line)}\n`);
}
