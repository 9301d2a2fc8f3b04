/**
 * Models in a run: which there are, what is ordered of them, who asks them, and how their instances go. What the broker begins
 * by itself has no script of the workload: its task's number says how it goes.
 */
import { asksModel, type Envelope, envelopeDefaults, limits, type ModelSpec } from '@gryphgen/protocol';
import type { GridShape } from './grid-shape.ts';
import { type Operation, workloadMs } from './operation.ts';
import { SeededRandom } from './seeded-random.ts';
import type { AttemptPlan, Script } from './task-script.ts';
import { tinyModelSpec } from './tiny-model-spec.ts';

const MiB = 1024 ** 2;
const GiB = 1024 ** 3;
const names = ['m1', 'm2', 'm3'] as const;
/** Of one layer: but for the wide ones each model fits on any machine of the simulation that is empty, and not many beside each other. */
const layerBytes = [MiB, GiB, 3 * GiB] as const;
/** More than either card of the reference machine holds, and less than both. */
const wideLayers = 4;
/** A run of a third of the seeds. */
const share = 0.35;

/** The same machines, which serve models. */
export function servingModels(random: SeededRandom, grid: GridShape): GridShape {
  if (!hasModels(random)) return grid;
  const workers = grid.workers.map((shape) => {
    const capabilities = [...shape.report.capabilities, 'instance', 'infer'];
    const divides = random.split(`divides ${shape.name}`).chance(0.7);
    const engines = [{ name: 'llama-server', version: '1', backends: ['cpu', 'cuda'], divides }];
    return { ...shape, report: { ...shape.report, capabilities, engines } };
  });
  return { ...grid, workers };
}

export function modelOperations(random: SeededRandom, grid: GridShape): Operation[] {
  if (!hasModels(random)) return [];
  const made: Operation[] = [];
  const used = names.slice(0, random.int(1, names.length));
  const order = (at: number, op: ModelOrder['op'], name: string): void => {
    const model = specOf(random, name);
    made.push({ at, kind: 'model', client: 'admin', op, args: op === 'addModel' ? { model } : { name } });
  };
  for (const name of used) order(random.between(200, 3000), 'addModel', name);
  for (let n = random.int(0, 4); n > 0; n -= 1) {
    const op = random.pick(['addModel', 'loadModel', 'unloadModel', 'removeModel'] as const);
    order(random.between(5000, workloadMs), op, random.pick(used));
  }
  // Who has no right to it tries, too.
  if (random.chance(0.3)) {
    const [at, client] = [random.between(1000, workloadMs), random.pick(grid.clients).name];
    const op = random.pick(['unloadModel', 'removeModel'] as const);
    made.push({ at, kind: 'model', client, op, args: { name: random.pick(used) } });
  }
  for (let no = random.int(5, 40); no > 0; no -= 1)
    made.push(...request(random.split(no), grid, 6000 + no, random.pick(used)));
  made.push(...crowd(random.split('crowd'), grid, random.split('crowded').pick(used)));
  return made;
}

export type ModelOrder = Extract<Operation, { kind: 'model' }>;

function hasModels(random: SeededRandom): boolean {
  return random.split('any').chance(share);
}

function specOf(random: SeededRandom, name: string): ModelSpec {
  const spec = tinyModelSpec();
  const [layer] = spec.description.layers;
  const picked = random.pick(layerBytes);
  const isWide = random.split(`wide ${name}`).chance(0.3);
  const bytes = isWide ? 3 * GiB : picked;
  const layers = layer === undefined ? [] : Array.from({ length: isWide ? wideLayers : 1 }, () => layer);
  const max = random.pick([1, 1, 2]);
  return {
    ...spec,
    name,
    description: { ...spec.description, layers: layers.map((each) => ({ ...each, bytes })) },
    serving: { ...spec.serving, slots: random.pick([1, 2, 4]) },
    replicas: { min: random.chance(0.2) ? 1 : 0, max },
    idleMs: random.pick([0, 2000, 10_000, 60_000]),
  };
}

/** Some keep the slots of a model, and others come: more than it has slots. */
function crowd(random: SeededRandom, grid: GridShape, model: string): Operation[] {
  const made: Operation[] = [];
  for (let round = random.int(1, 5); round > 0; round -= 1) {
    const at = random.between(8000, workloadMs);
    for (let n = 0; n < 10; n += 1) {
      const how = { at: at + random.between(0, 1500), isLent: n < 4 };
      made.push(...request(random.split(10 * round + n), grid, 6100 + 10 * round + n, model, how));
    }
  }
  return made;
}

function request(
  random: SeededRandom,
  grid: GridShape,
  no: number,
  model: string,
  how?: { readonly at: number; readonly isLent: boolean },
): Operation[] {
  const usualAt = random.pick([
    random.between(3000, workloadMs),
    random.pick([6000, 30_000]) + random.between(0, 200),
  ]);
  const at = how?.at ?? usualAt;
  const client = random.pick(grid.clients).name;
  const usual: Envelope = {
    ...envelopeDefaults,
    ...{ kind: 'infer', name: 'ask', model, taskClass: `infer ${model}`, durable: random.chance(0.3) },
    resources: { cpuMilli: 0, memoryBytes: 0, diskBytes: 0 },
    retries: { limit: random.pick([0, 1, 2]), backoffMs: random.pick([0, 500]) },
    queueTimeoutMs: random.chance(0.1) ? random.int(2000, 30_000) : 0,
    priority: random.pick([0, 0, 10]),
  };
  const plans: AttemptPlan[] = random.chance(0.9) ? ['ok'] : ['exit', 'ok'];
  const answerMs = random.pick([random.between(1, 100), random.between(100, 4000)]);
  // One that is lent lasts until its time is over, if nobody waits.
  const lent = random.split('loan');
  const isLent = how?.isLent ?? lent.chance(0.4);
  const asLoan = { durable: false, loan: true, taskClass: `loan ${model}` } as const;
  const envelope = isLent ? { ...usual, ...asLoan } : usual;
  const runMs = isLent ? lent.between(0, limits.loanMs) : answerMs;
  const script = { no, envelope, runMs, plans, stubborn: false, vramUse: 0, memoryBytes: 0, service: null };
  const made: Operation[] = [{ at, kind: 'submit', client, no, key: '', script }];
  if (random.chance(0.15)) made.push({ at: at + random.between(0, 5000), kind: 'cancel', client, no });
  if (random.chance(0.2))
    made.push({ at: at + random.between(0, 5000), kind: 'ask', client, op: 'explain', no });
  return made;
}

/** How the attempts of an instance go: most run until they are stopped, some never start, some die. */
export function instanceScript(task: number, envelope: Envelope): Script {
  const random = new SeededRandom(`instance ${task}`);
  const failing: AttemptPlan[] = Array.from({ length: random.int(1, 4) }, () =>
    random.pick(['start', 'exit']),
  );
  const plans: AttemptPlan[] = random.chance(0.6)
    ? ['ok']
    : random.chance(0.7)
      ? [...failing, 'ok']
      : ['start'];
  const dies = random.chance(0.3);
  return {
    no: -task,
    envelope,
    runMs: dies ? random.between(500, 30_000) : Number.POSITIVE_INFINITY,
    plans,
    stubborn: random.chance(0.2),
    vramUse: 1,
    memoryBytes: 0,
    service: { wellMs: random.between(10, 6000), unhealthyMs: Number.POSITIVE_INFINITY },
  };
}

/** Of a unit that answers a request: whether an instance of its model runs beside it, and is well by then. */
export function isServed(
  request: Script,
  beside: Iterable<{ readonly phase: string; readonly script: Script; readonly service: unknown }>,
): boolean {
  const { kind, model } = request.envelope;
  if (!asksModel(kind)) return true;
  for (const { phase, script } of beside) {
    if (phase === 'running' && script.envelope.kind === 'instance' && script.envelope.model === model)
      return true;
  }
  return false;
}
