/**
 * Whether tasks end later since another policy decides. Of each task counts the logarithm of its *slowdown*: how long it took from
 * submission to end, over what a run of its class usually takes; so that classes of any length can be averaged.
 *
 * 1. Tasks come in bursts, and neighbours fare alike: what is compared are means of blocks of tasks.
 * 2. Worse is what is worse by more than `leastWorse` even `errors` standard errors to the good: chance is no reason.
 * 3. Bounded in what it keeps, and in time: after `mostBlocks` a policy has proven itself.
 */
export interface Verdict {
  /** Of slowdowns, geometric means: since over before. More than 1 is slower. */
  readonly ratio: number;
  /** What that is at least, but for chance. */
  readonly leastRatio: number;
  readonly before: number;
  readonly since: number;
}

/** Means of blocks, oldest first. */
export interface SavedWatch {
  readonly before: readonly number[];
  /** Null: nothing is being watched. */
  readonly since: readonly number[] | null;
  readonly open: readonly [sum: number, tasks: number];
}

const blockTasks = 32;
const keptBlocks = 20;
/** With fewer of either nothing can be said. */
const leastBlocks = 8;
const mostBlocks = 32;
const errors = 3.5;
const leastWorse = Math.log(1.1);
/** One wild task is no more than a thousandfold slower. */
const mostSlowdown = Math.log(1000);

export class SlowdownWatch {
  private before: number[] = [];
  private since: number[] | null = null;
  private sum = 0;
  private tasks = 0;

  get isWatching(): boolean {
    return this.since !== null;
  }

  /** `slowdown`: more than 0. */
  note(slowdown: number): void {
    this.sum += Math.min(mostSlowdown, Math.max(-mostSlowdown, Math.log(slowdown)));
    this.tasks += 1;
    if (this.tasks < blockTasks) return;
    const blocks = this.since ?? this.before;
    blocks.push(this.sum / this.tasks);
    this.begin();
    if (this.since === null && blocks.length > keptBlocks) blocks.shift();
    if (this.since !== null && blocks.length >= mostBlocks) this.proven();
  }

  /** Another policy decides from now on. */
  promoted(): void {
    if (this.since !== null) this.proven();
    this.since = [];
    this.begin();
  }

  /** The former one decides again: what was seen under the other counts no more. */
  rolledBack(): void {
    this.since = null;
    this.begin();
  }

  /** Undefined while nothing can be said. */
  verdict(): Verdict | undefined {
    const { before, since } = this;
    if (since === null || since.length < leastBlocks || before.length < leastBlocks) return undefined;
    const [was, is] = [momentsOf(before), momentsOf(since)];
    const worse = is.mean - was.mean;
    const error = Math.sqrt(was.errorSquared + is.errorSquared);
    return {
      ratio: Math.exp(worse),
      leastRatio: Math.exp(worse - errors * error),
      before: before.length * blockTasks,
      since: since.length * blockTasks,
    };
  }

  isWorse(): boolean {
    return Math.log(this.verdict()?.leastRatio ?? 1) > leastWorse;
  }

  save(): SavedWatch {
    const { before, since, sum, tasks } = this;
    return { before: [...before], since: since && [...since], open: [sum, tasks] };
  }

  load({ before, since, open: [sum, tasks] }: SavedWatch): void {
    this.before = [...before];
    this.since = since && [...since];
    [this.sum, this.tasks] = [sum, tasks];
  }

  private proven(): void {
    this.before = [...this.before, ...(this.since ?? [])].slice(-keptBlocks);
    this.since = null;
  }

  private begin(): void {
    this.sum = 0;
    this.tasks = 0;
  }
}

function momentsOf(values: readonly number[]): { readonly mean: number; readonly errorSquared: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, errorSquared: squares / (values.length - 1) / values.length };
}
