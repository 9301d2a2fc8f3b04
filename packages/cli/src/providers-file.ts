/**
 * Services outside the grid that have models, as the gateway's operator names them (`providers.yaml` in the grid's home), and
 * which of them are asked for which model. Without the file there are none.
 *
 * 1. Keys stand in files or in the environment, never in this one; one that others may read is refused.
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { type ProviderOptions, providerApis } from '@gryphgen/gateway';
import { isEnvironmentName, isModelName, modelNameWords } from '@gryphgen/protocol';
import { UsageError } from './problem.ts';
import { list, mapOf, object, oneOf, scalar } from './task-file/fields.ts';
import { readFileStart } from './task-file/file-start.ts';
import { duration, type Value } from './task-file/values.ts';
import { YamlSource } from './task-file/yaml-source.ts';

export interface Providers {
  readonly providers: readonly ProviderOptions[];
  /** By the name that is asked for: which providers, and what it is called there, in their order. */
  readonly models: ReadonlyMap<string, readonly Target[]>;
}

interface Target {
  readonly provider: string;
  readonly model: string;
}

interface WrittenProvider {
  readonly api: (typeof providerApis)[number];
  readonly url: string;
  readonly keyEnv: string;
  readonly keyFile: string;
  readonly timeout: number;
}

interface Written {
  readonly providers: Readonly<Record<string, Partial<WrittenProvider>>>;
  readonly models: Readonly<Record<string, readonly Target[]>>;
}

/** A large model may think for as long before its first word. */
const defaultTimeoutMs = 2 * 60_000;
const keyBytes = 4096;
const nameWords = '1 to 64 of a-z, 0-9, "_" and "-"';

const providerName: Value<string> = {
  expected: nameWords,
  parse: (text) => (/^[a-z0-9][a-z0-9_-]{0,63}$/.test(text) ? text : undefined),
};
const modelName: Value<string> = {
  expected: modelNameWords,
  parse: (text) => (isModelName(text) ? text : undefined),
};
const target: Value<Target> = {
  expected: 'PROVIDER/MODEL, such as lab/qwen2.5:14b',
  parse: (text) => {
    const [, provider = '', model = ''] = /^([^/]{1,64})\/([^\s\p{Cc}]{1,256})$/u.exec(text) ?? [];
    return provider === '' ? undefined : { provider, model };
  },
};
const url: Value<string> = {
  expected: 'an http or https URL with its version, such as https://api.openai.com/v1, and no key in it',
  parse: (text) => {
    const read = URL.canParse(text) ? new URL(text) : undefined;
    const isPlain =
      read !== undefined &&
      /^https?:$/.test(read.protocol) &&
      [read.username, read.password, read.search, read.hash].every((part) => part === '');
    return isPlain ? read.href.replace(/\/+$/, '') : undefined;
  },
};
const variable: Value<string> = {
  expected: 'the name of an environment variable',
  parse: (text) => (isEnvironmentName(text) ? text : undefined),
};
const absolutePath: Value<string> = {
  expected: 'an absolute path',
  parse: (text) => (isAbsolute(text) ? text : undefined),
};

const file = object<Written>({
  providers: mapOf(
    providerName,
    object<WrittenProvider>({
      api: oneOf(providerApis),
      url: scalar(url),
      keyEnv: scalar(variable),
      keyFile: scalar(absolutePath),
      timeout: scalar(duration),
    }),
  ),
  models: mapOf(modelName, list('a list of PROVIDER/MODEL', scalar(target))),
});

type Environment = Readonly<Record<string, string | undefined>>;

/** Throws UsageError with every problem as `file:line:column: …`. */
export function loadProviders(home: string, env: Environment): Providers {
  const path = join(home, 'providers.yaml');
  if (!existsSync(path)) return { providers: [], models: new Map() };
  const source = new YamlSource(path, readFileStart(path, 'a file of providers'), 'a file of providers');
  const { providers = {}, models = {} } = (source.root && file(source, source.root, '')) ?? {};
  const found = Object.entries(providers).flatMap(([name, written]) =>
    providerOf(name, written, env, (field, words) => {
      const at = `providers.${name}${field === '' ? '' : `.${field}`}`;
      source.problem(source.placeOf(at), at, words);
    }),
  );
  for (const [name, targets] of Object.entries(models)) {
    const at = `models.${name}`;
    if (targets.length === 0) source.problem(source.placeOf(at), at, 'found none, expected a PROVIDER/MODEL');
    for (const [nth, { provider }] of targets.entries())
      if (!Object.hasOwn(providers, provider))
        source.problem(source.placeOf(`${at}[${nth}]`), at, `there is no provider ${provider} in this file`);
  }
  if (source.problems.length > 0) throw new UsageError(...source.problems);
  return { providers: found, models: new Map(Object.entries(models)) };
}

type Complain = (field: string, words: string) => void;

function providerOf(
  name: string,
  { api, url: at, keyEnv, keyFile, timeout: timeoutMs = defaultTimeoutMs }: Partial<WrittenProvider>,
  env: Environment,
  wrong: Complain,
): readonly ProviderOptions[] {
  if (at === undefined) wrong('', 'expected a url');
  if (keyEnv !== undefined && keyFile !== undefined) wrong('keyFile', 'expected either keyEnv or keyFile');
  const key =
    keyEnv !== undefined
      ? fromEnvironment(keyEnv, env, wrong)
      : keyFile !== undefined
        ? fromFile(keyFile, wrong)
        : undefined;
  if (at === undefined) return [];
  return [{ name, api: api ?? 'openai', url: at, timeoutMs, ...(key !== undefined && { key }) }];
}

function fromEnvironment(name: string, env: Environment, wrong: Complain): string | undefined {
  return judged('keyEnv', `${name} of the environment`, env[name] ?? '', wrong);
}

function fromFile(path: string, wrong: Complain): string | undefined {
  try {
    const { mode, size } = statSync(path);
    if ((mode & 0o077) !== 0) wrong('keyFile', `others may read ${path}: chmod 600 it`);
    if (size > keyBytes) wrong('keyFile', `${path} has ${size} bytes, expected a key of at most ${keyBytes}`);
    else return judged('keyFile', path, readFileSync(path, 'utf8').trim(), wrong);
  } catch (error) {
    wrong('keyFile', error instanceof Error ? error.message : String(error));
  }
  return undefined;
}

/** What a header can hold; it is not shown. */
function judged(field: string, where: string, key: string, wrong: Complain): string | undefined {
  if (/^[!-~]{1,4096}$/.test(key)) return key;
  wrong(field, `${where} ${key === '' ? 'holds nothing' : 'holds what is no key'}, expected one`);
  return undefined;
}
