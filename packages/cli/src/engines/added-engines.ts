/**
 * The llama-servers that a person adds to the worker of this home: a program that is there, or one out of an archive.
 *
 * 1. Nothing is added that was not asked what it is, as the worker will ask it: what cannot be used is refused, in its words.
 * 2. One change at a time. What is installed is unpacked beside its place and put there when it can be used.
 */
import { mkdir, realpath, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fetchFile } from '@gryphgen/client';
import { failure, GridError, isEngineName, limits } from '@gryphgen/protocol';
import { lockFolder } from '@gryphgen/runtime/folder-lock';
import type { AddedEngine, LlamaEngine } from '@gryphgen/worker';
import type { ShownFetch } from '../models/fetch-shown.ts';
import type { Terminal } from '../terminal.ts';

export interface EngineDocument extends AddedEngine {
  readonly version: string;
  readonly backends: readonly string[];
}

export interface EngineArchive {
  readonly url: URL;
  /** Hex. */
  readonly sha256: string;
}

type Environment = Terminal['env'];

/** It is the preferred one from now on; another of that name is one no more. */
export async function addEngine(
  home: string,
  env: Environment,
  engine: AddedEngine,
): Promise<EngineDocument> {
  const path = await realpath(engine.path).catch(() => engine.path);
  const added = { ...engine, path };
  const { version, backends } = await asked(path, env);
  await changing(home, () => putFirst(home, added));
  return { ...added, version, backends };
}

export async function installEngine(
  home: string,
  env: Environment,
  name: string,
  archive: EngineArchive,
  fetch: ShownFetch,
): Promise<EngineDocument> {
  const { unpackEngine } = await import('@gryphgen/worker');
  const engines = join(home, 'engines');
  const [folder, draft, downloads] = [name, `.${name}.new`, '.downloads'].map((each) =>
    join(engines, each),
  ) as [string, string, string];
  return await changing(home, async () => {
    if ((await listed(home)).some((each) => each.name === name))
      throw new GridError(
        failure('rejected.state', `there is an engine ${name} already: "grid engine rm ${name}" removes it`),
      );
    await rm(draft, { recursive: true, force: true });
    fetch.onPart(name);
    const { signal, onMoved } = fetch;
    const path = await fetchFile({
      ...archive,
      folder: downloads,
      env,
      signal,
      onMoved,
      amiss: amissInArchive,
    });
    try {
      const program = await unpackEngine(path, draft);
      if (typeof program !== 'string') throw new GridError(program);
      await asked(join(draft, program), env);
      // Of one that was removed by hand from the list.
      await rm(folder, { recursive: true, force: true });
      await rename(draft, folder);
      const added = { name, path: join(folder, program) };
      const { version, backends } = await asked(added.path, env);
      await putFirst(home, added);
      await rm(downloads, { recursive: true, force: true });
      return { ...added, version, backends };
    } finally {
      await rm(draft, { recursive: true, force: true });
    }
  });
}

/** What was installed goes with it. */
export async function removeEngine(home: string, name: string): Promise<void> {
  await changing(home, async () => {
    const engines = await listed(home);
    const found = engines.find((engine) => engine.name === name);
    if (found === undefined) {
      const there =
        engines.length === 0 ? 'none was added' : `there are ${engines.map((each) => each.name).join(', ')}`;
      throw new GridError(failure('rejected.not-found', `there is no engine ${name} in ${home}: ${there}`));
    }
    await write(
      home,
      engines.filter((engine) => engine !== found),
    );
    const folder = join(home, 'engines', name);
    if (found.path.startsWith(`${folder}/`)) await rm(folder, { recursive: true, force: true });
  });
}

/** What a program is called where nobody says: by the folder that tells most. */
export function engineNameOf(path: string): string {
  const parts = dirname(path).split('/').reverse();
  const telling = parts.find((part) => isEngineName(part) && !plainFolders.has(part));
  return telling ?? 'engine';
}

const plainFolders = new Set(['bin', 'build', 'usr', 'local', 'opt', 'libexec']);

export function archiveNameOf({ pathname }: URL): string {
  return basename(decodeURIComponent(pathname))
    .replace(/\.(tar\.gz|tgz|zip)$/i, '')
    .slice(0, 64);
}

function amissInArchive(head: Buffer): string {
  if (head[0] === 0x1f && head[1] === 0x8b) return '';
  if (head.toString('latin1', 0, 2) === 'PK') return '';
  return 'found something else, expected a .tar.gz or a .zip: is it the address of the file itself?';
}

async function asked(path: string, env: Environment): Promise<LlamaEngine> {
  const { engineEnvironment, probeLlama } = await import('@gryphgen/worker');
  const { PATH: programs = '/usr/bin:/bin', LD_LIBRARY_PATH: libraries = '' } = env;
  const probed = await probeLlama(path, engineEnvironment({ path: programs, libraries }, '/', null));
  if (probed.ok) return probed.value;
  throw new GridError(failure('rejected.invalid', `it is no engine: ${probed.why}`));
}

async function changing<T>(home: string, change: () => Promise<T>): Promise<T> {
  const folder = join(home, 'engines');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const locked = lockFolder(folder, '.engines', `pid ${process.pid}`);
  if ('heldBy' in locked)
    throw new GridError(failure('rejected.state', `engines are being changed already, by ${locked.heldBy}`));
  try {
    return await change();
  } finally {
    locked.lock.release();
  }
}

async function putFirst(home: string, engine: AddedEngine): Promise<void> {
  const others = (await listed(home)).filter(({ name }) => name !== engine.name);
  if (others.length < limits.modelEngines) return await write(home, [engine, ...others]);
  const words = `there are ${others.length} engines, and a worker has no more: ${others.map(({ name }) => name).join(', ')}`;
  throw new GridError(failure('rejected.limit', words));
}

async function listed(home: string): Promise<readonly AddedEngine[]> {
  const { readEngineList } = await import('@gryphgen/worker');
  const found = await readEngineList(home);
  if (typeof found === 'string') throw new GridError(failure('rejected.invalid', found));
  return found;
}

async function write(home: string, engines: readonly AddedEngine[]): Promise<void> {
  const { writeEngineList } = await import('@gryphgen/worker');
  await writeEngineList(home, engines);
}
