/**
 * A worker's policy as its owner writes it: what container tasks may have of this machine (`policy.yaml` in the grid's
 * home, or GRID_POLICY). What it does not say stays as it is without a file.
 */
import { existsSync } from 'node:fs';
import { isImagePattern, limits } from '@gryphgen/protocol';
import type { Config } from '@gryphgen/runtime';
import {
  type ContainerPolicy,
  defaultPolicy,
  type PortRule,
  policyProblems,
  portRules,
  type RootRule,
  rootRules,
} from '@gryphgen/worker';
import { UsageError } from './problem.ts';
import { list, mapOf, object, oneOf, scalar } from './task-file/fields.ts';
import { readFileStart } from './task-file/file-start.ts';
import * as values from './task-file/values.ts';
import { YamlSource } from './task-file/yaml-source.ts';

interface WrittenMount {
  readonly path: string;
  readonly mode: 'ro' | 'rw';
}

interface WrittenPolicy {
  readonly images: readonly string[];
  readonly push: 'yes' | 'no';
  readonly mounts: Readonly<Record<string, Partial<WrittenMount>>>;
  readonly networks: readonly ('none' | 'bridge' | 'host')[];
  readonly runtimes: readonly string[];
  readonly ports: PortRule;
  readonly users: { readonly root?: RootRule; readonly default?: string };
}

const image: values.Value<string> = {
  expected: 'an image or a pattern of images such as ghcr.io/acme/*',
  parse: (text) => (isImagePattern(text) ? text : undefined),
};
const runtime: values.Value<string> = {
  expected: "a runtime's name or a pattern such as kata*",
  parse: (text) => (/^[A-Za-z0-9*][A-Za-z0-9_.*-]{0,63}$/.test(text) ? text : undefined),
};
/** Where root is to be said by the rule for it, and not by a number. */
const user: values.Value<string> = {
  expected: 'uid or uid:gid in numbers, not root',
  parse: (text) =>
    values.user.parse(text) !== undefined && Number.parseInt(text, 10) !== 0 ? text : undefined,
};

const policy = object<WrittenPolicy>({
  images: list('a list of images or patterns of them', scalar(image)),
  push: oneOf(['yes', 'no']),
  mounts: mapOf<Partial<WrittenMount>>(
    values.mountName,
    object<WrittenMount>({ path: scalar(values.workdir), mode: oneOf(['ro', 'rw']) }),
  ),
  networks: list('a list of none, bridge and host', oneOf(['none', 'bridge', 'host'])),
  runtimes: list('a list of runtimes', scalar(runtime)),
  ports: oneOf(portRules),
  users: object<{ root: RootRule; default: string }>({ root: oneOf(rootRules), default: scalar(user) }),
});

/** Of the machine this runs on. Throws UsageError with every problem as `file:line:column: …`. */
export async function loadPolicy({ policy: file, home, origins }: Config): Promise<ContainerPolicy> {
  if (origins.policy === 'default' && !existsSync(file)) return defaultPolicy;
  const source = new YamlSource(file, readFileStart(file, 'a policy'), 'a policy');
  const written = source.root === null ? undefined : policy(source, source.root, '');
  const read = written === undefined ? defaultPolicy : policyOf(written, source);
  for (const { mount, words } of await policyProblems(read, home)) {
    const at = `mounts.${mount}.path`;
    source.problem(source.placeOf(at), at, words);
  }
  if (source.problems.length > 0) throw new UsageError(...source.problems);
  return read;
}

function policyOf(written: Partial<WrittenPolicy>, source: YamlSource): ContainerPolicy {
  const { images, push, networks, runtimes, ports, users } = written;
  const count = (name: string, items: readonly unknown[], most: number): void => {
    if (items.length > most)
      source.problem(source.placeOf(name), name, `found ${items.length}, expected at most ${most}`);
  };
  count('images', images ?? [], limits.imagePatterns);
  count('mounts', Object.keys(written.mounts ?? {}), limits.mounts);
  const mounts = Object.entries(written.mounts ?? {}).map(([name, { path, mode = 'ro' }]) => {
    const at = `mounts.${name}`;
    if (path === undefined)
      source.problem(source.placeOf(at), at, 'expected a path, such as { path: /srv/data }');
    return [name, { path: path ?? '/nowhere', write: mode === 'rw' }] as const;
  });
  return {
    ...defaultPolicy,
    ...(images !== undefined && { images }),
    ...(push !== undefined && { push: push === 'yes' }),
    ...(networks !== undefined && { networks }),
    ...(runtimes !== undefined && { runtimes }),
    ...(ports !== undefined && { ports }),
    ...(users?.root !== undefined && { root: users.root }),
    ...(users?.default !== undefined && { user: users.default }),
    mounts: Object.fromEntries(mounts),
  };
}
