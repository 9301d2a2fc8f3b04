/**
 * A task as a person described it, by a file or by flags: each value is valid in itself. `specOf` judges them together
 * and fills in what follows from them.
 */
import type { TaskSpec } from '@gryphgen/client';
import {
  type DeviceUuid,
  type Envelope,
  envelopeDefaults,
  type GpuRequest,
  type ModelUse,
  modelUses,
  type Network,
  type OnLinkLost,
  type PullPolicy,
  type ScratchMedium,
  type StopSignal,
  type Ulimit,
  type UlimitName,
} from '@gryphgen/protocol';
import { type Box, boxOf } from './container-draft.ts';
import { isModelKind, judgeAsking, type ModelDraft, modelSpecOf } from './model-draft.ts';
import type { DraftHealth, DraftPort, DraftRestart } from './service-draft.ts';

/** Names as in a task file; CPU in thousandths, sizes in bytes, times in ms, compute capability in tenths. */
export interface TaskDraft extends ModelDraft {
  readonly name?: string;
  readonly class?: string;
  readonly kind?: DraftKind;
  readonly image?: string;
  readonly pull?: PullPolicy;
  readonly command?: readonly string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly network?: Network;
  readonly pids?: number;
  readonly mounts?: readonly DraftMount[];
  readonly scratch?: DraftScratch;
  readonly readOnlyRoot?: boolean;
  readonly ulimits?: Readonly<Partial<Record<UlimitName, Ulimit>>>;
  readonly runtime?: string;
  readonly stopSignal?: StopSignal;
  readonly stopGrace?: number;
  readonly ports?: readonly DraftPort[];
  readonly health?: DraftHealth;
  readonly restart?: DraftRestart;
  readonly warm?: boolean;
  readonly inputs?: readonly DraftInput[];
  readonly outputs?: readonly string[];
  readonly sleep?: number;
  readonly resources?: Partial<DraftResources>;
  readonly timeout?: number;
  readonly queueTimeout?: number;
  readonly retries?: { readonly limit?: number; readonly backoff?: number };
  readonly priority?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly constraints?: { readonly worker?: string; readonly labels?: Readonly<Record<string, string>> };
  readonly preemptible?: boolean;
  readonly onLinkLost?: OnLinkLost;
  readonly durable?: boolean;
}

export const draftKinds = ['container', 'process', 'noop', ...modelUses] as const;
export type DraftKind = (typeof draftKinds)[number];
/** What asks no model. */
type OwnKind = Exclude<DraftKind, ModelUse>;

/** `from` as it is found from here. */
export interface DraftInput {
  readonly from?: string;
  readonly to?: string;
}

export interface DraftMount {
  readonly name?: string;
  readonly to?: string;
  readonly readOnly?: boolean;
}

export interface DraftScratch {
  readonly size?: number;
  readonly medium?: ScratchMedium;
  readonly to?: string;
}

export interface DraftResources {
  readonly cpu: number;
  readonly memory: number;
  readonly disk: number;
  readonly gpu: DraftGpu;
}

export interface DraftGpu {
  readonly count?: number;
  readonly vram?: number;
  readonly minComputeCapability?: number;
  readonly name?: string;
  readonly uuid?: string;
}

/** Says what is wrong with the field at `path` ('' the task as a whole). */
export type Complain = (path: string, words: string) => void;

/** Undefined when something was complained of. */
export function specOf(draft: TaskDraft, complain: Complain): TaskSpec | undefined {
  let isRight = true;
  const wrong: Complain = (path, words) => {
    isRight = false;
    complain(path, words);
  };
  const kind = draft.kind ?? (draft.image === undefined ? 'process' : 'container');
  judgeAsking(draft, kind, wrong);
  if (isModelKind(kind)) {
    const options = optionsOf(draft, undefined);
    return isRight ? modelSpecOf(options, draft, kind, wrong) : undefined;
  }
  judgeKind(draft, kind, wrong);
  const box = boxOf(draft, kind, wrong);
  judgeRestart(draft, wrong);
  const inputs = inputsOf(draft, kind, wrong);
  const gpu = gpuOf(draft.resources?.gpu, wrong);
  if (!isRight) return undefined;
  return withBody({ ...optionsOf(draft, gpu), ...inputs }, draft, kind, box);
}

function judgeKind(draft: TaskDraft, kind: DraftKind, wrong: Complain): void {
  const { image, command, sleep } = draft;
  if (kind === 'container' && image === undefined) wrong('', 'a container task needs an image');
  if (kind !== 'container' && image !== undefined) wrong('image', `a ${kind} task has no image`);
  if (command?.[0] === '') wrong('command', 'found "" as the program, expected its name or path');
  if (kind === 'process' && (command === undefined || command.length === 0))
    wrong(
      command === undefined ? '' : 'command',
      'a process task needs a command, such as [sh, -c, "echo hello"]',
    );
  if (kind === 'noop' && command !== undefined) wrong('command', 'a noop task has no command');
  if (kind !== 'noop' && sleep !== undefined) wrong('sleep', 'only a noop task sleeps');
}

function inputsOf({ inputs = [], outputs = [] }: TaskDraft, kind: DraftKind, wrong: Complain): Inputs {
  if (kind === 'noop' && inputs.length > 0) wrong('inputs', 'a noop task reads nothing');
  if (kind === 'noop' && outputs.length > 0) wrong('outputs', 'a noop task leaves nothing');
  for (const [index, { from, to }] of inputs.entries())
    if (from === undefined || to === undefined)
      wrong(`inputs[${index}]`, 'expected both a file or folder (from) and the path it is put at (to)');
  return inputs.length === 0 ? {} : { inputs: inputs.map(({ from = '', to = '' }) => ({ from, to })) };
}

function judgeRestart({ restart = 'never', retries }: TaskDraft, wrong: Complain): void {
  if (restart !== 'never' && retries?.limit !== undefined)
    wrong('retries.limit', `restart ${restart} has no limit: expected only one of them`);
}

function withBody(options: Options, draft: TaskDraft, kind: OwnKind, box: Box): TaskSpec {
  const { image = '', command = [], env = {}, workdir, sleep = 0, outputs } = draft;
  const shared = {
    command: [...command],
    env,
    ...(workdir !== undefined && { workdir }),
    ...(outputs !== undefined && outputs.length > 0 && { outputs: [...outputs] }),
  };
  switch (kind) {
    case 'container':
      return { ...options, kind, body: { image, ...shared, ...box } };
    case 'process':
      return { ...options, kind, body: shared };
    case 'noop':
      return { ...options, kind, body: { sleepMs: sleep } };
  }
}

export type Options = Omit<Envelope, 'kind' | 'image' | 'needs' | 'inputs'> & Inputs;
type Inputs = Pick<TaskSpec, 'inputs'>;

function optionsOf(draft: TaskDraft, gpu: GpuRequest | undefined): Options {
  const { resources, retries, restart, constraints } = draft;
  const byDefault = envelopeDefaults;
  return {
    name: draft.name ?? byDefault.name,
    resources: {
      cpuMilli: resources?.cpu ?? byDefault.resources.cpuMilli,
      memoryBytes: resources?.memory ?? byDefault.resources.memoryBytes,
      diskBytes: resources?.disk ?? byDefault.resources.diskBytes,
      ...(gpu && { gpu }),
    },
    durable: draft.durable ?? byDefault.durable,
    priority: draft.priority ?? byDefault.priority,
    retries: {
      limit: retries?.limit ?? byDefault.retries.limit,
      backoffMs: retries?.backoff ?? byDefault.retries.backoffMs,
    },
    ...(restart !== undefined && restart !== 'never' && { restart }),
    timeoutMs: draft.timeout ?? byDefault.timeoutMs,
    queueTimeoutMs: draft.queueTimeout ?? byDefault.queueTimeoutMs,
    onLinkLost: draft.onLinkLost ?? byDefault.onLinkLost,
    ...(draft.preemptible !== undefined && { preemptible: draft.preemptible }),
    ...(draft.class !== undefined && { taskClass: draft.class }),
    ...(draft.stopGrace !== undefined && { stopGraceMs: draft.stopGrace }),
    labels: draft.labels ?? byDefault.labels,
    constraints: {
      ...(constraints?.worker !== undefined && { worker: constraints.worker }),
      labels: constraints?.labels ?? byDefault.constraints.labels,
    },
  };
}

function gpuOf(gpu: DraftGpu | undefined, wrong: Complain): GpuRequest | undefined {
  if (gpu === undefined) return undefined;
  const { count, vram, minComputeCapability, name, uuid } = gpu;
  const wishes = {
    ...(minComputeCapability !== undefined && { minComputeCapability }),
    ...(name !== undefined && { name }),
    ...(uuid !== undefined && { uuid: uuid as DeviceUuid }),
  };
  if (count !== undefined && vram !== undefined) {
    wrong('resources.gpu', 'count asks for whole devices, vram for a part of one: expected only one of them');
    return undefined;
  }
  if (vram === 0) wrong('resources.gpu.vram', 'found 0, expected at least one byte');
  if (vram !== undefined) return { kind: 'part', vramBytes: vram, ...wishes };
  return { kind: 'whole', count: count ?? 1, ...wishes };
}
