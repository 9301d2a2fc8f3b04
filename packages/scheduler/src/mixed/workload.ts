/**
 * The mixed workload: inference in bursts, containers that come singly, and jobs of tasks that wait for each other. Its
 * parameters were fixed before any policy was measured on it; nothing is to be tuned here.
 *
 * 1. Load is the work offered over what the grid could do at once, of processors and of devices each, were every machine
 *    busy all the time: each class has its share of it, by its own speed on each machine.
 * 2. What runs take is drawn with the task, before anybody decides where it goes: all policies meet the same tasks.
 */
import type { Device, Resources } from '@gryphgen/protocol';
import type { SeededRandom } from '../seeded-random.ts';
import type { Shape } from '../shape.ts';
import { deviceSlowness, type Machine } from './machines.ts';

const MiB = 1024 ** 2;
const GiB = 1024 ** 3;

/** What a simulated grid is told of tasks alike. */
export interface MixedClass {
  readonly name: string;
  readonly shape: Shape;
  /** Of a run on the reference machine, or an RTX 3060. */
  readonly medianMs: number;
}

interface DrawnClass extends MixedClass {
  /** Of the run's logarithm. */
  readonly sigma: number;
  /** How much of a machine's speed it feels: a run takes 1 / speed^this. */
  readonly bySpeed: number;
  /** How a run grows with its input: bytes^this. 0: it has none. */
  readonly byInput: number;
  /** Share of the load of processors, or of devices. */
  readonly share: number;
  readonly imageBytes: number;
}

export interface MixedTask {
  readonly at: number;
  readonly of: MixedClass;
  readonly inputBytes: number;
  /** What it belongs to: completion is that of its last task. */
  readonly job: number;
  /** Tasks that must have ended before, by their place in the list. */
  readonly after: readonly number[];
}

export interface DrawnTask extends MixedTask {
  readonly of: DrawnClass;
  /** How this run differs from its class's median, wherever it runs. */
  readonly factor: number;
}

/** What is measured: completions after so many tasks from which to learn, at each load, on each grid, from each seed. */
export const mixedScale = { loads: [0.5, 0.8, 0.95], seeds: [1, 2, 3], taught: 800, measured: 2400 } as const;

/** Of what is between a class and a machine that nobody could have foretold: standard deviation of its logarithm. */
const affinity = 0.25;

const shapeOf = (image: string, resources: Resources): Shape => ({
  kind: 'container',
  image,
  resources,
  constraints: { labels: {} },
});

function inference(
  size: string,
  vramMiB: number,
  medianMs: number,
  sigma: number,
  share: number,
): DrawnClass {
  const gpu = { kind: 'part', vramBytes: vramMiB * MiB } as const;
  const resources = { cpuMilli: 1000, memoryBytes: GiB, diskBytes: 0, gpu };
  return {
    name: `infer ${size}`,
    shape: shapeOf(`engine-${size}:latest`, resources),
    medianMs,
    sigma,
    bySpeed: 0,
    byInput: 0,
    share,
    imageBytes: 2 * GiB,
  };
}

/** Two of the small and one of the middle fit a GTX 1060; the large needs an RTX 3060 alone. */
const inferences: readonly DrawnClass[] = [
  inference('small', 2900, 4000, 0.5, 0.4),
  inference('middle', 5800, 12_000, 0.6, 0.4),
  inference('large', 11_500, 20_000, 0.5, 0.2),
];

const containers = 8;
const stages = 5;
const containersShare = 0.6;

function processorClass(name: string, share: number, random: SeededRandom): DrawnClass {
  const cpuMilli = random.pick([1000, 1000, 2000, 4000]);
  const memoryBytes = random.pick([256, 512, 1024]) * MiB * (cpuMilli / 1000);
  const image = random.int(1, 6);
  return {
    name,
    shape: shapeOf(`image-${image}:latest`, { cpuMilli, memoryBytes, diskBytes: 0 }),
    medianMs: 5000 * 60 ** random.next(),
    sigma: random.between(0.3, 0.9),
    bySpeed: random.between(0.4, 1),
    byInput: random.chance(0.5) ? random.between(0.5, 1) : 0,
    share,
    imageBytes: image * 150 * MiB,
  };
}

export interface MixedWorkload<T extends MixedTask = MixedTask> {
  readonly tasks: readonly T[];
  /** ms it takes on this machine, on this device if it holds one. */
  runMs(task: T, machine: Machine, device: Device | undefined): number;
  /** ms until its image is on this machine. */
  pullMs(task: T, machine: Machine): number;
}

/** `count`: tasks, a few more as the last job needs. `load`: 0.5 is half of what the grid could do. */
export function mixedWorkload(
  machines: readonly Machine[],
  load: number,
  count: number,
  random: SeededRandom,
): MixedWorkload<DrawnTask> {
  const drawn = random.split('classes');
  const single = Array.from({ length: containers }, (_, at) =>
    processorClass(`container ${at}`, containersShare / containers, drawn),
  );
  const staged = Array.from({ length: stages }, (_, at) =>
    processorClass(`stage ${at}`, (1 - containersShare) / stages, drawn),
  );
  const affinities = affinitiesOf(
    [...inferences, ...single, ...staged],
    machines,
    random.split('affinities'),
  );
  const perMs = (of: DrawnClass): number => (load * of.share * capacityFor(of, machines)) / meanWorkOf(of);
  const sources: Source[] = [
    ...inferences.map((of) => ({ next: bursts(perMs(of), random.split(of.name)), make: one(of) })),
    ...single.map((of) => ({ next: singly(perMs(of), random.split(of.name)), make: one(of) })),
    { next: singly(jobsPerMs(staged, load, machines), random.split('jobs')), make: jobOf(staged) },
  ];
  return {
    tasks: drawTasks(sources, count, random.split('tasks')),
    runMs({ of, factor }, machine, device) {
      const slow = device === undefined ? machine.speed ** -of.bySpeed : (deviceSlowness[device.name] ?? 1);
      return of.medianMs * factor * slow * (affinities.get(`${of.name} ${machine.id}`) ?? 1);
    },
    pullMs: ({ of }, machine) => of.imageBytes / machine.pullBytesPerMs,
  };
}

/** Tasks of the class that could run at a time if nothing else did, each by how fast it would. */
function capacityFor({ shape, bySpeed }: DrawnClass, machines: readonly Machine[]): number {
  const { gpu, cpuMilli } = shape.resources;
  let capacity = 0;
  for (const { report, speed } of machines) {
    if (gpu === undefined) capacity += (report.cpuMilli / cpuMilli) * speed ** bySpeed;
    else if (gpu.kind === 'part')
      for (const { vramBytes, name } of report.devices)
        capacity += Math.floor(vramBytes / gpu.vramBytes) / (deviceSlowness[name] ?? 1);
  }
  return capacity;
}

/** Mean ms of a run on the reference machine. */
function meanWorkOf({ medianMs, sigma, byInput }: DrawnClass): number {
  return medianMs * Math.exp((sigma ** 2 + (byInput * inputSigma) ** 2) / 2);
}
const inputSigma = 1;
const medianInput = 64 * MiB;

function affinitiesOf(
  classes: readonly DrawnClass[],
  machines: readonly Machine[],
  random: SeededRandom,
): ReadonlyMap<string, number> {
  return new Map(
    classes.flatMap(({ name }) =>
      machines.map(({ id }) => [`${name} ${id}`, Math.exp(affinity * normal(random))] as const),
    ),
  );
}

interface Source {
  /** ms until the next. */
  readonly next: () => number;
  readonly make: (at: number, job: number, from: number, random: SeededRandom) => readonly DrawnTask[];
}

function singly(perMs: number, random: SeededRandom): () => number {
  return () => random.exponential(1 / perMs);
}

/** A quarter of the time three times as many, else a third: the same mean. */
function bursts(perMs: number, random: SeededRandom): () => number {
  let [inBurst, left] = [false, 0];
  return () => {
    let waited = 0;
    for (;;) {
      if (left <= 0) {
        inBurst = !inBurst;
        left = random.exponential(inBurst ? burstMs : 3 * burstMs);
      }
      const next = random.exponential(1 / (perMs * (inBurst ? 3 : 1 / 3)));
      if (next <= left) {
        left -= next;
        return waited + next;
      }
      waited += left;
      left = 0;
    }
  };
}
const burstMs = 60_000;

function one(of: DrawnClass): Source['make'] {
  return (at, job, _, random) => [taskOf(of, at, job, [], random)];
}

/** Each of a job's tasks is of any of the stages alike. */
function jobsPerMs(staged: readonly DrawnClass[], load: number, machines: readonly Machine[]): number {
  const ofEach = staged.map((of) => meanWorkOf(of) / capacityFor(of, machines) / staged.length);
  return (load * (1 - containersShare)) / (tasksPerJob * ofEach.reduce((sum, one) => sum + one, 0));
}
const tasksPerJob = 20;

/** A fan, layers, or pairs one after the other: twenty tasks each. */
function jobOf(staged: readonly DrawnClass[]): Source['make'] {
  return (at, job, from, random) => {
    const layers = random.pick([
      [1, 18, 1],
      [5, 5, 5, 5],
      [1, 9, 1, 8, 1],
      [2, 2, 2, 2, 2, 2, 2, 2, 2, 2],
    ]);
    const tasks: DrawnTask[] = [];
    let before: number[] = [];
    for (const width of layers) {
      const of = random.pick(staged);
      const layer = Array.from({ length: width }, (_, index) => from + tasks.length + index);
      for (let each = 0; each < width; each += 1) tasks.push(taskOf(of, at, job, before, random));
      before = layer;
    }
    return tasks;
  };
}

function taskOf(
  of: DrawnClass,
  at: number,
  job: number,
  after: readonly number[],
  random: SeededRandom,
): DrawnTask {
  const larger = of.byInput === 0 ? 1 : Math.exp(inputSigma * normal(random));
  const inputBytes = of.byInput === 0 ? 0 : Math.round(medianInput * larger);
  return {
    at,
    of,
    inputBytes,
    factor: larger ** of.byInput * Math.exp(of.sigma * normal(random)),
    job,
    after,
  };
}

/** In the order of their arrival. */
function drawTasks(sources: readonly Source[], count: number, random: SeededRandom): readonly DrawnTask[] {
  const due = sources.map(({ next }) => next());
  const tasks: DrawnTask[] = [];
  for (let job = 0; tasks.length < count; job += 1) {
    const first = due.indexOf(Math.min(...due));
    const { next, make } = sources[first] as Source;
    tasks.push(...make(due[first] as number, job, tasks.length, random));
    due[first] = (due[first] as number) + next();
  }
  return tasks;
}

/** By Box and Muller. */
function normal(random: SeededRandom): number {
  return Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
}
