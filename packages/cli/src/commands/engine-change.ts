/** `grid engine add`, `install` and `rm`: what the worker of this home loads models with. */
import { resolve } from 'node:path';
import { engineRelease, type WantedRelease } from '@gryphgen/client';
import { engineNameWords, isEngineName } from '@gryphgen/protocol';
import { Argument, type Command } from 'commander';
import { flagOf, gridCommand, type Invocation, runs } from '../command.ts';
import {
  addEngine,
  archiveNameOf,
  type EngineArchive,
  type EngineDocument,
  engineNameOf,
  installEngine,
  removeEngine,
} from '../engines/added-engines.ts';
import { fetchShown } from '../models/fetch-shown.ts';
import { UsageError } from '../problem.ts';
import { type CommonFlags, settingsOf } from '../settings.ts';
import type { Value } from '../task-file/values.ts';
import { sha256 } from '../task-file/values.ts';
import { printJson, type Terminal } from '../terminal.ts';

const engineName: Value<string> = {
  expected: engineNameWords,
  parse: (text) => (isEngineName(text) ? text : undefined),
};

const archiveUrl: Value<URL> = {
  expected: 'an address that begins with https:// or http://',
  parse: (text) => (/^https?:/i.test(text) && URL.canParse(text) ? new URL(text) : undefined),
};

const release: Value<string> = {
  expected: 'a release such as b7000',
  parse: (text) => (/^[\w][\w.-]{0,63}$/.test(text) ? text : undefined),
};

const backend: Value<string> = {
  expected: 'cpu, vulkan or another name of a backend',
  parse: (text) => (/^[a-z0-9][a-z0-9.-]{0,31}$/.test(text) ? text : undefined),
};

function nameFlag(words: string) {
  return flagOf('--name <name>', words, engineName);
}

interface AddFlags extends CommonFlags {
  readonly name?: string;
}

export function engineAddCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const command = gridCommand(
    'add',
    "Have this machine's worker load models with a llama-server that is here, before any other.",
    'engine add /opt/llama-cuda/bin/llama-server',
    'engine add ./build/bin/llama-server --name mine',
  )
    .argument('<path>', 'the program')
    .addOption(nameFlag('what it is called (default: by its folder)'));
  return runs<AddFlags>(command, invocation, async (flags, [written = '']) => {
    const { home } = settingsOf(terminal, flags);
    const path = resolve(written);
    const engine = await addEngine(home, terminal.env, { name: flags.name ?? engineNameOf(path), path });
    tell(terminal, flags, engine);
    return 0;
  });
}

interface InstallFlags extends AddFlags {
  readonly release?: string;
  readonly backend: string;
  readonly url?: URL;
  readonly sha256?: string;
}

export function engineInstallCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const command = gridCommand(
    'install',
    "Bring a llama-server for this machine's worker: an archive of a release, held to its sha-256, unpacked below $GRID_HOME.",
    'engine install --release b7000 --backend vulkan',
    'engine install --url https://example.org/llama-b7000-bin-ubuntu-x64.tar.gz --sha256 1f1f…',
  )
    .addOption(flagOf('--release <release>', 'of llama.cpp, by its tag at GitHub', release))
    .addOption(flagOf('--backend <name>', 'of that release: on what it computes', backend).default('cpu'))
    .addOption(flagOf('--url <address>', 'of a .tar.gz or .zip with a llama-server in it', archiveUrl))
    .addOption(flagOf('--sha256 <hex>', 'of the archive', sha256))
    .addOption(nameFlag('what it is called (default: as the archive)'));
  return runs<InstallFlags>(command, invocation, async (flags) => {
    const { home } = settingsOf(terminal, flags);
    const wanted = wantedBy(flags);
    const engine = await fetchShown(terminal, async (fetch) => {
      const { env } = terminal;
      const { signal } = fetch;
      const archive =
        'url' in wanted ? wanted : await engineRelease({ ...wanted, arch: process.arch, env, signal });
      const name = flags.name ?? engineName.parse(archiveNameOf(archive.url));
      if (name === undefined) throw new UsageError(`--name is missing: ${archive.url.pathname} is none`);
      return await installEngine(home, env, name, archive, fetch);
    });
    tell(terminal, flags, engine);
    return 0;
  });
}

function wantedBy({
  release: version,
  backend,
  url,
  sha256,
}: InstallFlags): EngineArchive | Pick<WantedRelease, 'version' | 'backend'> {
  if ((version === undefined) === (url === undefined))
    throw new UsageError(
      'one of --release and --url is to be given: a release, or the address of an archive',
    );
  if (url === undefined) return { version: version ?? '', backend };
  if (sha256 !== undefined) return { url, sha256 };
  throw new UsageError('--sha256 is missing: what runs as the worker has to be what was meant');
}

export function engineRemoveCommand(invocation: Invocation): Command {
  const { terminal } = invocation;
  const named = new Argument('<name>', 'an engine that was added or installed').argParser((text: string) => {
    if (engineName.parse(text) !== undefined) return text;
    throw new UsageError(`found ${JSON.stringify(text.slice(0, 60))}, expected ${engineName.expected}`);
  });
  const command = gridCommand(
    'rm',
    "Have this machine's worker load nothing more with an engine that was added; one that was installed is deleted.",
    'engine rm mine',
  ).addArgument(named);
  return runs<CommonFlags>(command, invocation, async (flags, [name = '']) => {
    await removeEngine(settingsOf(terminal, flags).home, name);
    if (flags.json) printJson(terminal, { removed: name });
    else terminal.out(`${name} is removed; what it has loaded runs on until it is unloaded\n`);
    return 0;
  });
}

function tell(terminal: Terminal, { json }: CommonFlags, engine: EngineDocument): void {
  const { name, path, version, backends } = engine;
  if (json) printJson(terminal, engine);
  else terminal.out(`${name} is there: ${path} ${version}, computes on ${backends.join(', ')}\n`);
}
