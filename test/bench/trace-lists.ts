/**
 * Workloads made of a published one, as its authors made theirs: other shares of tasks without a GPU, of parts of GPUs, of several GPUs
 * and of named models. Weng et al., USENIX ATC 2023, published figures of three of these and none of the others' files are needed:
 * `gpushare40` and `multigpu20`, made here, can be held against the authors' own.
 *
 * 1. Same tasks and seed: same lists, on every machine.
 * 2. Tasks are drawn with replacement from those of the same kind, so what a task asks for beside its kind stays as it is.
 */
import { SeededRandom, type TraceTask } from '@gryphgen/scheduler';

export interface TraceList {
  readonly name: string;
  readonly tasks: readonly TraceTask[];
}

/** `plain` names no models; of `specified` a tenth does: those models, by kinds of tasks, are what tasks are given here. */
export function madeLists(
  plain: readonly TraceTask[],
  specified: readonly TraceTask[],
  seed: number,
): readonly TraceList[] {
  const random = new SeededRandom(seed);
  const each = (
    kind: string,
    percents: readonly number[],
    make: (share: number, own: SeededRandom) => readonly TraceTask[],
  ) =>
    percents.map((percent) => {
      const name = `${kind}${percent}`;
      return { name, tasks: make(percent / 100, random.split(name)) };
    });
  return [
    ...each('cpu', [5, 10, 20, 25], (share, own) => withoutGpu(plain, share, own)),
    ...each('gpushare', [20, 40, 60, 80, 100], (share, own) => ofParts(plain, share, own)),
    ...each('multigpu', [20, 30, 40, 50], (share, own) => ofSeveral(plain, share, own)),
    ...each('gpuspec', [20, 25, 33], (share, own) => named(plain, specified, share, own)),
  ];
}

/** So large a share of the tasks asks for no GPU; those that ask stay as they are. */
function withoutGpu(tasks: readonly TraceTask[], share: number, random: SeededRandom): TraceTask[] {
  const { none, part, whole, several } = byKind(tasks);
  const asking = [...part, ...whole, ...several];
  return [...asking, ...drawn(none, Math.round((asking.length * share) / (1 - share)), random)];
}

/** So large a share of all GPUs asked for is asked for in parts, by as many tasks as before. */
function ofParts(tasks: readonly TraceTask[], share: number, random: SeededRandom): TraceTask[] {
  const { none, part, whole, several } = byKind(tasks);
  const others = [...whole, ...several];
  const [ofPart, ofOther] = [gpusOf(part) / part.length, gpusOf(others) / others.length];
  const all = part.length + others.length;
  const parts = Math.round((all * share * ofOther) / (ofPart * (1 - share) + share * ofOther));
  return [...none, ...drawn(part, parts, random), ...drawn(others, all - parts, random)];
}

/** Tasks of several GPUs are added, until they ask for so large a share of all GPUs. */
function ofSeveral(tasks: readonly TraceTask[], share: number, random: SeededRandom): TraceTask[] {
  const { several } = byKind(tasks);
  const [all, now] = [gpusOf(tasks), gpusOf(several)];
  const added = (share * all - now) / (1 - share);
  return [...tasks, ...drawn(several, Math.round((added * several.length) / now), random)];
}

/** So large a share of the tasks that ask for GPUs names models. */
function named(
  tasks: readonly TraceTask[],
  specified: readonly TraceTask[],
  share: number,
  random: SeededRandom,
): TraceTask[] {
  const naming = byKind(specified.filter(({ models }) => models.length > 0));
  return tasks.map((task) => {
    if (task.gpuCount === 0 || !random.chance(share)) return task;
    return { ...task, models: random.pick(naming[kindOf(task)]).models };
  });
}

type Kind = 'none' | 'part' | 'whole' | 'several';

function kindOf({ gpuCount, gpuMilli }: TraceTask): Kind {
  if (gpuCount === 0) return 'none';
  if (gpuCount > 1) return 'several';
  return gpuMilli < 1000 ? 'part' : 'whole';
}

function byKind(tasks: readonly TraceTask[]): Record<Kind, TraceTask[]> {
  const kinds: Record<Kind, TraceTask[]> = { none: [], part: [], whole: [], several: [] };
  for (const task of tasks) kinds[kindOf(task)].push(task);
  return kinds;
}

function gpusOf(tasks: readonly TraceTask[]): number {
  return tasks.reduce((sum, { gpuCount, gpuMilli }) => sum + (gpuCount * gpuMilli) / 1000, 0);
}

function drawn(from: readonly TraceTask[], count: number, random: SeededRandom): TraceTask[] {
  return Array.from({ length: count }, () => random.pick(from));
}
