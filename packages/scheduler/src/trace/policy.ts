/** Who decides where a trace's task goes. */
import { type FreeNode, fits, keyOfTask, type TraceTask, wholeGpu } from './trace.ts';

export interface Choice {
  readonly node: number;
  /** Indices of the node's GPUs, as many as the task asks for. */
  readonly gpus: readonly number[];
}

export interface Policy {
  /** Undefined exactly when no node has room for it. */
  choose(task: TraceTask): Choice | undefined;
  /** The task is there now, and the free nodes show it. */
  placed(task: TraceTask, choice: Choice): void;
}

/** Higher is better. Called only where the task fits; leaves the node as it was. */
export type Score = (
  node: FreeNode,
  task: TraceTask,
) => { readonly score: number; readonly gpus: readonly number[] };

/** The node that scores highest, equals by the first. What a node scores for a kind of task is kept until it changes. */
export class BestScore implements Policy {
  private readonly nodes: readonly FreeNode[];
  private readonly score: Score;
  private readonly changes: Uint32Array;
  private readonly kept = new Map<string, KeptScores>();

  constructor(nodes: readonly FreeNode[], score: Score) {
    this.nodes = nodes;
    this.score = score;
    this.changes = new Uint32Array(nodes.length).fill(1);
  }

  choose(task: TraceTask): Choice | undefined {
    const { scores, gpus } = this.scoresOf(task);
    let best = -1;
    let highest = Number.NEGATIVE_INFINITY;
    for (let node = 0; node < scores.length; node += 1) {
      const score = scores[node] as number;
      if (score <= highest) continue;
      highest = score;
      best = node;
    }
    return best < 0 ? undefined : { node: best, gpus: gpus[best] ?? [] };
  }

  placed(_: TraceTask, { node }: Choice): void {
    this.changes[node] = (this.changes[node] as number) + 1;
  }

  private scoresOf(task: TraceTask): KeptScores {
    const key = keyOfTask(task);
    let kept = this.kept.get(key);
    if (kept === undefined) {
      const count = this.nodes.length;
      kept = { asOf: new Uint32Array(count), scores: new Float64Array(count), gpus: new Array(count) };
      this.kept.set(key, kept);
    }
    for (const [at, node] of this.nodes.entries()) {
      if (kept.asOf[at] === this.changes[at]) continue;
      kept.asOf[at] = this.changes[at] as number;
      const { score, gpus } = fits(node, task) ? this.score(node, task) : noRoom;
      kept.scores[at] = score;
      kept.gpus[at] = gpus;
    }
    return kept;
  }
}

const noRoom = { score: Number.NEGATIVE_INFINITY, gpus: [] as readonly number[] };

interface KeptScores {
  /** The change of each node after which it was scored. */
  readonly asOf: Uint32Array;
  readonly scores: Float64Array;
  readonly gpus: (readonly number[])[];
}

/** The first free GPUs, as many as the task asks for. */
export function wholeGpus({ gpus }: FreeNode, { gpuCount }: TraceTask): readonly number[] {
  const chosen: number[] = [];
  for (let gpu = 0; gpu < gpus.length && chosen.length < gpuCount; gpu += 1)
    if (gpus[gpu] === wholeGpu) chosen.push(gpu);
  return chosen;
}

/** The GPUs that could take the task's part. */
export function gpusFor({ gpus }: FreeNode, { gpuMilli }: TraceTask): readonly number[] {
  return gpus.flatMap((free, gpu) => (free >= gpuMilli ? [gpu] : []));
}

export function isPart({ gpuCount, gpuMilli }: TraceTask): boolean {
  return gpuCount === 1 && gpuMilli < wholeGpu;
}
