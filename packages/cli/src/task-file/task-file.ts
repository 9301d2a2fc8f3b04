/** A task file, as cli.md shows it. One task in a file; jobs (`tasks:`, `needs:`, …) belong to a later version. */
import type { TaskSpec } from '@gryphgen/client';
import {
  imagePattern,
  isEnvironmentName,
  isLabelName,
  limits,
  parseBytes,
  parseComputeCapability,
  parseCpu,
  parseDuration,
} from '@gryphgen/protocol';
import { integer, list, mapOf, object, oneOf, parsed, text, truth } from './fields.ts';
import { type DraftGpu, type DraftResources, draftKinds, specOf, type TaskDraft } from './task-draft.ts';
import { YamlSource } from './yaml-source.ts';

export type ReadTaskFile =
  | { readonly ok: true; readonly spec: TaskSpec }
  /** Each: `file:line:column: field: found …, expected …` */
  | { readonly ok: false; readonly problems: readonly string[] };

const inJobs = 'is of a later version of grid: a file holds one task for now';
const files = 'is of a later version of grid: tasks have no files of their own for now';
const later: Readonly<Record<string, string>> = {
  inputs: files,
  outputs: files,
  mounts: files,
  needs: inJobs,
  matrix: inJobs,
  count: inJobs,
  tasks: inJobs,
};

const size = parsed('a size such as 256MiB', parseBytes);
const duration = parsed('a duration such as 90s or 10m', parseDuration);
const name = text(`at most ${limits.nameChars} characters`, (value) => value.length <= limits.nameChars);
const labels = mapOf('1 to 63 characters', isLabelName, name);
const noNul = text('text without a NUL character', (value) => !value.includes('\0'));

const gpu = object<DraftGpu>({
  count: integer(1, limits.devices),
  vram: size,
  minComputeCapability: parsed('a compute capability such as 8.6', parseComputeCapability),
  name,
});

const task = object<TaskDraft>(
  {
    name,
    kind: oneOf(draftKinds),
    image: text('an image name such as busybox:latest', (value) => imagePattern.test(value)),
    command: list('a list such as [sh, -c, "echo hello"]', noNul),
    workdir: text('an absolute path', (value) => value.startsWith('/') && !value.includes('\0')),
    user: text('uid or uid:gid in numbers', (value) => /^[0-9]{1,10}(:[0-9]{1,10})?$/.test(value)),
    env: mapOf('a name of letters, digits and _', isEnvironmentName, noNul),
    network: oneOf(['none']),
    sleep: duration,
    resources: object<DraftResources>({
      cpu: parsed('a number of CPUs such as 2, 0.5 or 500m', parseCpu),
      memory: size,
      disk: size,
      gpu,
    }),
    timeout: duration,
    queueTimeout: duration,
    retries: object<NonNullable<TaskDraft['retries']>>({
      limit: integer(0, limits.retries),
      backoff: duration,
    }),
    priority: integer(-100, 100),
    labels,
    constraints: object<NonNullable<TaskDraft['constraints']>>({ worker: name, labels }),
    onLinkLost: oneOf(['move', 'wait']),
    durable: truth,
  },
  later,
);

export function readTaskFile(file: string, content: string): ReadTaskFile {
  const source = new YamlSource(file, content);
  const draft = source.root === null ? undefined : task(source, source.root, '');
  const spec =
    draft === undefined || source.problems.length > 0
      ? undefined
      : specOf(draft, (path, words) => source.problem(source.placeOf(path), path, words));
  return spec === undefined ? { ok: false, problems: source.problems } : { ok: true, spec };
}
