/**
 * Asks a llama-server what it is: its version, which options it knows (they move between builds), on what it computes.
 *
 * 1. No shell, bounded in time and size; one that hangs is killed.
 * 2. What lacks something that instances cannot do without is no engine, in words.
 */
import { execFile } from 'node:child_process';
import { limits } from '@gryphgen/protocol';
import { leastCapabilityOf } from './cuda-build.ts';
import type { Environment } from './engine-environment.ts';

/** Where a driver is asked too, some seconds. */
const answerMs = 15_000;
const maxAnswerBytes = 1024 * 1024;
const maxDevices = 64;
const shownChars = 200;

/** Before, it was on or was not said. */
const flashWord = /--flash-attn[ ,][^\n]*\bon\|off\b/;
/** Levels were numbered the other way round once. */
const quietLevel = /--log-verbosity N[\s\S]*^\s+- 2: warning/m;

export interface LlamaEngine {
  readonly path: string;
  readonly version: string;
  /** Without order, lower case, `cpu` among them: `cuda`, `vulkan`. */
  readonly backends: readonly string[];
  readonly flags: ReadonlySet<string>;
  /** By which it says what is amiss and nothing of each request; none where its levels are others. */
  readonly quietly: readonly string[];
  /** Whether it can be told to use flash attention, and not to. */
  readonly hasFlashWord: boolean;
  /** By CUDA it computes on cards of this compute capability (tenths) and newer; missing where nobody can tell. */
  readonly leastCapability?: number;
}

/** As llama.cpp names it: `CUDA0`. */
export interface EngineDevice {
  readonly name: string;
  readonly backend: string;
  /** What its driver calls it; '' and 0 where it is said otherwise. */
  readonly description: string;
  readonly totalBytes: number;
}

export type Probed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly why: string };

/** No instance starts without; the path of a socket is too old a way of others to be told by its own option. */
const needed: readonly (readonly [string, RegExp])[] = [
  ['--model', /(?<![\w-])--model(?![\w-])/],
  ['--api-key-file', /(?<![\w-])--api-key-file(?![\w-])/],
  ['--metrics', /(?<![\w-])--metrics(?![\w-])/],
  ['--host with a unix socket', /unix socket/i],
];

export async function probeLlama(
  path: string,
  env: Environment,
  timeoutMs = answerMs,
): Promise<Probed<LlamaEngine>> {
  const told = await ask(path, ['--version'], env, timeoutMs);
  if (!told.ok) return told;
  const version = /^version: ([ -~]+)$/m.exec(told.value)?.[1]?.slice(0, 64);
  if (version === undefined) return no(`${path} --version says no version: ${shown(told.value)}`);
  const help = await ask(path, ['--help'], env, timeoutMs);
  if (!help.ok) return help;
  const missing = needed.find(([, pattern]) => !pattern.test(help.value));
  if (missing !== undefined)
    return no(`${path} (${version}) does not know ${missing[0]}: a newer one is needed`);
  const flags = flagsIn(help.value);
  const devices = await probeDevices({ path, flags }, env, timeoutMs);
  if (!devices.ok) return devices;
  const listed = devices.value.map(({ backend }) => backend);
  const backends = [...new Set(['cpu', ...listed])].slice(0, limits.backends);
  const quietly = quietLevel.test(help.value) ? ['--log-verbosity', '2'] : [];
  const hasFlashWord = flashWord.test(help.value);
  const leastCapability = await leastCapabilityOf(path, env.LD_LIBRARY_PATH ?? '');
  const cards = leastCapability === undefined ? {} : { leastCapability };
  return { ok: true, value: { path, version, backends, flags, quietly, hasFlashWord, ...cards } };
}

/** What it would compute on, by this environment; a build that cannot say computes on the host. */
export async function probeDevices(
  { path, flags }: Pick<LlamaEngine, 'path' | 'flags'>,
  env: Environment,
  timeoutMs = answerMs,
): Promise<Probed<readonly EngineDevice[]>> {
  if (!flags.has('--list-devices')) return { ok: true, value: [] };
  const told = await ask(path, ['--list-devices'], env, timeoutMs);
  return told.ok ? { ok: true, value: devicesIn(told.value) } : told;
}

/** `  CUDA0: NVIDIA GeForce GTX 1060 6GB (6064 MiB, 5990 MiB free)` */
export function devicesIn(text: string): readonly EngineDevice[] {
  const listed = text.slice(text.indexOf('Available devices'));
  return [...listed.matchAll(/^\s+(([A-Za-z]{1,32})[0-9]{1,4}): (.{0,256})/gm)]
    .slice(0, maxDevices)
    .map(([, name = '', backend = '', about = '']) => {
      const [, description = '', total = '0'] = /^(.*) \((\d{1,9}) MiB\b/.exec(about) ?? [];
      return { name, backend: backend.toLowerCase(), description, totalBytes: Number(total) * 1024 ** 2 };
    });
}

/** Of the lines that explain one: `-ngl,  --gpu-layers, --n-gpu-layers N   max. number of layers`. */
export function flagsIn(help: string): ReadonlySet<string> {
  const lines = help.split('\n').filter((line) => line.startsWith('-'));
  return new Set(lines.flatMap((line) => line.match(/(?<=^|[\s,])--?[A-Za-z][\w-]*/g) ?? []));
}

function ask(
  path: string,
  args: readonly string[],
  env: Environment,
  timeoutMs: number,
): Promise<Probed<string>> {
  const options = {
    env,
    cwd: '/',
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
    maxBuffer: maxAnswerBytes,
  } as const;
  return new Promise((resolve) => {
    execFile(path, args, options, (error, text, stderr) => {
      if (error === null) resolve({ ok: true, value: `${text}\n${stderr}` });
      else if (error.killed) resolve(no(`${path} ${args.join(' ')} gave no answer within ${timeoutMs} ms`));
      else resolve(no(`${path} ${args.join(' ')} failed: ${shown(stderr || text || error.message)}`));
    });
  });
}

function no(why: string): { readonly ok: false; readonly why: string } {
  return { ok: false, why };
}

function shown(text: string): string {
  return (
    text
      .replace(/[^ -~]+/g, ' ')
      .trim()
      .slice(0, shownChars) || 'nothing'
  );
}
