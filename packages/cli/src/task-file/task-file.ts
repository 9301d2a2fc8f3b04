/** A task file, as cli.md shows it. One task in a file; jobs (`tasks:`, `needs:`, …) belong to a later version. */
import { dirname, resolve } from 'node:path';
import type { TaskSpec } from '@gryphgen/client';
import { modelPaths, portBinds, portProtocols, type Ulimit } from '@gryphgen/protocol';
import { anyMap, list, mapOf, object, oneOf, oneOrMany, scalar, truth } from './fields.ts';
import { chatRoles, type DraftMessage } from './model-draft.ts';
import { type DraftHealth, type DraftPort, restarts } from './service-draft.ts';
import {
  type DraftGpu,
  type DraftInput,
  type DraftMount,
  type DraftResources,
  type DraftScratch,
  draftKinds,
  specOf,
  type TaskDraft,
} from './task-draft.ts';
import * as values from './values.ts';
import { YamlSource } from './yaml-source.ts';

export type ReadTaskFile =
  | { readonly ok: true; readonly spec: TaskSpec }
  /** Each: `file:line:column: field: found …, expected …` */
  | { readonly ok: false; readonly problems: readonly string[] };

const inJobs = 'is of a later version of grid: a file holds one task for now';
const later: Readonly<Record<string, string>> = {
  needs: inJobs,
  matrix: inJobs,
  count: inJobs,
  tasks: inJobs,
};

const labels = mapOf(values.labelName, scalar(values.name));

const gpu = object<DraftGpu>({
  count: scalar(values.gpuCount),
  vram: scalar(values.size),
  minComputeCapability: scalar(values.computeCapability),
  name: scalar(values.gpuName),
  uuid: scalar(values.gpuUuid),
});

const task = object<TaskDraft>(
  {
    name: scalar(values.name),
    kind: oneOf(draftKinds),
    class: scalar(values.taskClass),
    image: scalar(values.image),
    pull: scalar(values.pull),
    command: list('a list such as [sh, -c, "echo hello"]', scalar(values.argument)),
    workdir: scalar(values.workdir),
    user: scalar(values.user),
    env: mapOf(values.variableName, scalar(values.argument)),
    network: scalar(values.network),
    pids: scalar(values.pids),
    mounts: list(
      'a list such as [{ name: data, to: /data }]',
      object<DraftMount>({
        name: scalar(values.mountName),
        to: scalar(values.containerPath),
        readOnly: truth,
      }),
    ),
    scratch: object<DraftScratch>({
      size: scalar(values.size),
      medium: scalar(values.medium),
      to: scalar(values.containerPath),
    }),
    readOnlyRoot: truth,
    ulimits: mapOf<Ulimit>(values.ulimitName, scalar(values.ulimit)),
    runtime: scalar(values.runtime),
    stopSignal: scalar(values.stopSignal),
    warm: truth,
    stopGrace: scalar(values.grace),
    inputs: list(
      'a list such as [{ from: ./data.csv, to: /in/data.csv }]',
      object<DraftInput>({ from: scalar(values.localPath), to: scalar(values.containerPath) }),
    ),
    outputs: list('a list such as [/out/result.json]', scalar(values.outputPath)),
    ports: list(
      'a list such as [{ name: web, port: 8080 }]',
      object<DraftPort>({
        name: scalar(values.portName),
        port: scalar(values.port),
        protocol: oneOf(portProtocols),
        host: scalar(values.hostPort),
        bind: oneOf(portBinds),
      }),
    ),
    health: object<DraftHealth>({
      http: object<NonNullable<DraftHealth['http']>>({
        port: scalar(values.port),
        path: scalar(values.urlPath),
      }),
      tcp: scalar(values.port),
      command: list('a list such as [pg_isready]', scalar(values.argument)),
      interval: scalar(values.healthInterval),
      timeout: scalar(values.healthTimeout),
      retries: scalar(values.healthRetries),
      startPeriod: scalar(values.startPeriod),
    }),
    restart: oneOf(restarts),
    sleep: scalar(values.backoff),
    model: scalar(values.model),
    prompt: scalar(values.argument),
    system: scalar(values.argument),
    messages: list(
      'a list such as [{ role: user, content: "Why is the sky blue?" }]',
      object<DraftMessage>({ role: oneOf(chatRoles), content: scalar(values.argument) }),
    ),
    maxTokens: scalar(values.modelTokens),
    input: oneOrMany(scalar(values.argument)),
    query: scalar(values.argument),
    documents: list('a list of texts', scalar(values.argument)),
    request: anyMap,
    path: oneOf(Object.values(modelPaths).flat()),
    resources: object<DraftResources>({
      cpu: scalar(values.cpu),
      memory: scalar(values.size),
      disk: scalar(values.size),
      gpu,
    }),
    timeout: scalar(values.duration),
    queueTimeout: scalar(values.duration),
    retries: object<NonNullable<TaskDraft['retries']>>({
      limit: scalar(values.retries),
      backoff: scalar(values.backoff),
    }),
    priority: scalar(values.priority),
    labels,
    constraints: object<NonNullable<TaskDraft['constraints']>>({ worker: scalar(values.worker), labels }),
    preemptible: truth,
    onLinkLost: oneOf(['move', 'wait']),
    durable: truth,
  },
  later,
);

/** `content`: all of it, or more than `maxFileBytes`. */
export function readTaskFile(file: string, content: Uint8Array): ReadTaskFile {
  const source = new YamlSource(file, content);
  const draft = source.root === null ? undefined : task(source, source.root, '');
  const spec =
    draft === undefined || source.problems.length > 0
      ? undefined
      : specOf(foundFrom(dirname(file), draft), (path, words) =>
          source.problem(source.placeOf(path), path, words),
        );
  return spec === undefined ? { ok: false, problems: source.problems } : { ok: true, spec };
}

/** What a file names is found from where the file is. */
function foundFrom(folder: string, { inputs, ...draft }: TaskDraft): TaskDraft {
  if (inputs === undefined) return draft;
  const found = inputs.map(({ from, ...to }) => ({
    ...to,
    ...(from !== undefined && { from: resolve(folder, from) }),
  }));
  return { ...draft, inputs: found };
}
