/** What a task asks of its container beyond image, command and room: judged together, as the body has it. */
import type { TaskSpec } from '@gryphgen/client';
import { clashOf } from '@gryphgen/protocol';
import { serviceOf } from './service-draft.ts';
import type { Complain, DraftKind, TaskDraft } from './task-draft.ts';

type ContainerBody = Extract<TaskSpec, { readonly kind: 'container' }>['body'];

/** Nothing in it that was not asked for: what a task says, an older worker may not know. */
export type Box = Pick<
  ContainerBody,
  | 'pull'
  | 'user'
  | 'network'
  | 'pids'
  | 'mounts'
  | 'scratch'
  | 'readOnlyRoot'
  | 'ulimits'
  | 'runtime'
  | 'stopSignal'
  | 'ports'
  | 'health'
  | 'warm'
>;

/** Names as in a task file, with what to say where a task has no container. */
const ofContainers = {
  pull: 'no image to pull',
  user: 'no user of its own',
  network: 'the network of its machine',
  pids: 'no limit of processes',
  mounts: 'the folders of its machine, and no mounts',
  scratch: 'a scratch folder of its own anyway',
  readOnlyRoot: 'no root of its own',
  ulimits: 'the limits of its worker',
  runtime: 'no container runtime',
  stopSignal: 'no stop signal of its own: it is asked to end by SIGTERM',
  ports: 'the ports of its machine',
  health: 'no health check',
  warm: 'no container to be started ahead',
} as const satisfies { readonly [K in keyof Box]-?: string };

export function boxOf(draft: TaskDraft, kind: DraftKind, wrong: Complain): Box {
  if (kind !== 'container') {
    for (const [field, has] of Object.entries(ofContainers)) {
      if (draft[field as keyof Box] !== undefined) wrong(field, `a ${kind} task has ${has}`);
    }
    return {};
  }
  const { pull, user, network, pids, readOnlyRoot, ulimits, runtime, stopSignal, warm } = draft;
  const mounts = mountsOf(draft, wrong);
  const scratch = scratchOf(draft, wrong);
  const paths = [...(mounts ?? []).map(({ to }) => to), ...(scratch === undefined ? [] : [scratch.to])];
  const clash = clashOf(paths);
  if (clash !== undefined)
    wrong(clash.index === mounts?.length ? 'scratch' : `mounts[${clash.index}].to`, clash.words);
  return {
    ...(pull !== undefined && { pull }),
    ...(user !== undefined && { user }),
    ...(network !== undefined && { network }),
    ...(pids !== undefined && { pids }),
    ...(mounts !== undefined && { mounts }),
    ...(scratch !== undefined && { scratch }),
    ...(readOnlyRoot !== undefined && { readOnlyRoot }),
    ...(ulimits !== undefined && { ulimits }),
    ...(runtime !== undefined && { runtime }),
    ...(stopSignal !== undefined && { stopSignal }),
    ...(warm !== undefined && { warm }),
    ...serviceOf(draft, wrong),
  };
}

function mountsOf({ mounts }: TaskDraft, wrong: Complain) {
  return mounts?.map(({ name, to, readOnly = true }, index) => {
    if (name === undefined || to === undefined)
      wrong(`mounts[${index}]`, 'expected both a name and the path it is put at (to)');
    return { name: name ?? '', to: to ?? '', readOnly };
  });
}

function scratchOf({ scratch }: TaskDraft, wrong: Complain) {
  if (scratch === undefined) return undefined;
  const { size, medium = 'tmpfs', to = '/tmp' } = scratch;
  if (size === undefined) wrong('scratch', 'expected a size, such as { size: 2GiB }');
  else if (size < 4096) wrong('scratch.size', 'expected at least 4KiB');
  return { sizeBytes: size ?? 0, medium, to };
}
