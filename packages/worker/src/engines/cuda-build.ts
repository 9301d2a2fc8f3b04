/**
 * For which cards a CUDA build of llama.cpp has code: no llama-server says that of itself, and one that lacks a card's kernels lists the
 * card all the same. CUDA 13 compiles for none below 7.5 (Turing), so a GTX 1060 needs a build with CUDA 12, or Vulkan.
 */
import { type FileHandle, open, readdir, realpath } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';

/** The names of the libraries that one needs stand before its code, however large that is. */
const headBytes = 4 * 1024 * 1024;
const library = /^libggml-cuda[\w.-]*\.so(?:\.[\d.]+)?$/;
const runtime = /lib(?:cudart|cublas)\.so\.(\d{2})\b/;

/** By CUDA's major version: the least compute capability that it compiles for, in tenths. */
const leastByMajor: Readonly<Record<number, number>> = { 11: 35, 12: 50 };
const leastOfNewer = 75;

/** Of this llama-server; undefined where it computes by no CUDA, or nobody can tell. */
export async function leastCapabilityOf(program: string, libraries: string): Promise<number | undefined> {
  try {
    const path = await realpath(program);
    const folder = dirname(path);
    const places = [folder, join(folder, '..', 'lib'), ...libraries.split(delimiter)];
    for (const place of places.filter((one) => one.startsWith('/'))) {
      const name = (await namesIn(place)).find((one) => library.test(one));
      if (name !== undefined) return leastIn(await headOf(join(place, name)));
    }
    return leastIn(await headOf(path));
  } catch {
    return undefined; // what cannot be read is not known to lack anything
  }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch {
    return []; // there is no such folder
  }
}

function leastIn(head: string): number | undefined {
  const major = Number(runtime.exec(head)?.[1] ?? 0);
  if (major === 0) return undefined;
  return leastByMajor[major] ?? (major > 12 ? leastOfNewer : undefined);
}

async function headOf(path: string): Promise<string> {
  let file: FileHandle | undefined;
  try {
    file = await open(path);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(headBytes), 0, headBytes, 0);
    return buffer.subarray(0, bytesRead).toString('latin1');
  } finally {
    await file?.close();
  }
}
