/** Models, their instances and where one fits, as people read them. */
import {
  type Foreseen,
  formatBytes,
  formatDuration,
  type InstanceDocument,
  type MemoryUse,
  type ModelDocument,
  type ModelPlanDocument,
} from '@gryphgen/protocol';
import { printable, printableDocument } from '../printable.ts';
import type { Style, Terminal } from '../terminal.ts';
import { table } from './table.ts';
import { age } from './task-view.ts';
import { rounded, tuningWords } from './tuning-view.ts';

/** In a table of all models. */
const shownHolders = 3;

/** Without what its file says of each layer. */
export function modelJson({ description: { layers, ...description }, ...model }: ModelDocument) {
  return { ...model, description: { ...description, layers: layers.length } };
}

export function modelTable(
  models: readonly ModelDocument[],
  { columns, style }: Terminal,
): readonly string[] {
  if (models.length === 0) return ['there is no model: "grid models add NAME FILE.gguf" adds one'];
  return table(
    printableDocument(models),
    [
      { title: 'MODEL', value: ({ name }) => name },
      { title: 'USE', value: ({ use }) => use },
      { title: 'KIND', value: (model) => kindOf(model) },
      { title: 'SIZE', value: ({ artifact }) => formatBytes(artifact.bytes), right: true },
      { title: 'CONTEXT', value: ({ serving }) => `${serving.slots} × ${serving.slotTokens}`, right: true },
      { title: 'FILE ON', value: (model) => heldWords(model, shownHolders) },
      { title: 'READY', value: readyWords, right: true },
      { title: 'RUNNING', value: ({ running }) => String(running), right: true },
      { title: 'WAITING', value: ({ waiting }) => String(waiting), right: true },
      { title: 'WHY', value: ({ trouble }) => (trouble === '' ? '' : style.yellow(trouble)) },
    ],
    columns,
  );
}

function kindOf({ description: { architecture, quantization, parameters } }: ModelDocument): string {
  const size = parameters >= 1e9 ? `${(parameters / 1e9).toFixed(1)}B` : `${(parameters / 1e6).toFixed(1)}M`;
  return [architecture, size, quantization].filter((part) => part !== '').join(' ');
}

/** Beside the broker it always is. */
function heldWords({ heldOn = [] }: ModelDocument, most: number): string {
  const names = heldOn.map(({ name }) => name);
  const more = names.length - most;
  return [...names.slice(0, most), ...(more > 0 ? [`and ${more} more`] : [])].join(' ');
}

/** Nothing of one that does not write. */
function chatWords({ use, description: { hasChatTemplate, takesTools } }: ModelDocument): string {
  if (use !== 'infer') return '';
  if (!hasChatTemplate) return 'its file has no template: its server uses a usual one';
  if (takesTools === undefined) return 'by the template of its file';
  return `by the template of its file, ${takesTools ? 'with tools' : 'which takes no tools'}`;
}

function pinnedWords({ pinned: { worker, device } = {} }: ModelDocument): string {
  return [device, worker].filter((part) => part !== undefined).join(' of ');
}

/** What is there, in JSON: a space at the end counts. */
function prefixWords({ prefixes }: ModelDocument): string {
  if (prefixes === undefined) return '';
  return `${JSON.stringify(prefixes.query)} before a query, ${JSON.stringify(prefixes.passage)} before a passage`;
}

function readyWords({ instances, replicas: { min, max } }: ModelDocument): string {
  const ready = instances.filter(({ state }) => state === 'ready').length;
  return `${ready} of ${min === max ? max : `${min}-${max}`}`;
}

export function modelLines(document: ModelDocument, nowMs: number, terminal: Terminal): readonly string[] {
  const model = printableDocument(document);
  const { serving, description } = model;
  const rows: readonly (readonly [string, string])[] = [
    ['model', terminal.style.bold(model.name)],
    ['use', model.use],
    ['kind', kindOf(model)],
    ['chat', chatWords(model)],
    ['size', formatBytes(model.artifact.bytes)],
    ['file on', heldWords(model, Number.POSITIVE_INFINITY)],
    [
      'context',
      `${serving.slots} × ${serving.slotTokens} tokens (made for ${description.contextTokens}), ${serving.kvType}`,
    ],
    ['replicas', readyWords(model)],
    ['idle', model.idleMs === 0 ? '' : `unloaded after ${formatDuration(model.idleMs)}`],
    ['requests', `${model.running} running, ${model.waiting} waiting`],
    ['pinned', pinnedWords(model)],
    ['prefixes', prefixWords(model)],
    ['owner', model.owner],
    ['memory', memoryWords(model)],
    ...(model.tunings ?? []).map((tuning) => ['tuned', tuningWords(tuning)] as const),
    ['trouble', model.trouble === '' ? '' : terminal.style.yellow(model.trouble)],
  ];
  const instances = table(
    model.instances,
    [
      { title: 'INSTANCE', value: ({ task }) => task },
      { title: 'STATE', value: ({ state }) => stateWord(state, terminal.style) },
      { title: 'WORKER', value: ({ workerName }) => workerName || '-' },
      { title: 'ON', value: ({ devices, worker }) => (worker === '' ? '-' : devices.join(' ') || 'host') },
      { title: 'MEMORY', value: memoryOf, right: true },
      { title: 'BUSY', value: ({ busy, slots }) => `${busy} of ${slots}`, right: true },
      { title: 'USED', value: ({ usedAt }) => (usedAt === 0 ? '-' : `${age(nowMs - usedAt)} ago`) },
      { title: 'WHY', value: ({ words }) => words },
    ],
    terminal.columns,
  );
  return [
    ...rows
      .filter(([, value]) => value !== '')
      .map(([name, value]) => `${terminal.style.dim(name.padEnd(10))} ${value}`),
    ...(model.instances.length === 0 ? [] : ['', ...instances]),
  ];
}

/** Planned, and seen. */
function memoryOf({ predictedBytes, observedBytes, heldBytes }: InstanceDocument): string {
  if (predictedBytes === undefined) return '-';
  const planned = formatBytes(predictedBytes);
  const seen = observedBytes === undefined ? planned : `${formatBytes(observedBytes)} of ${planned}`;
  return heldBytes === undefined ? seen : `${seen}, ${formatBytes(heldBytes)} held`;
}

/** Nothing where instances took what was estimated, or none was seen. */
function memoryWords({ memory }: ModelDocument): string {
  const percent = Math.round(100 * ((memory?.factor ?? 1) - 1));
  if (memory === undefined || percent === 0) return '';
  const whose = memory.from === 'model' ? 'its instances' : 'others of its architecture';
  const how = `${Math.abs(percent)} % ${percent > 0 ? 'more' : 'less'} of a device than estimated`;
  return `${whose} took ${how}: counted in what is planned`;
}

function foreseenWords(foreseen: Foreseen | undefined, words: (value: number) => string): string {
  if (foreseen === undefined) return '-';
  return foreseen.from === 'measured'
    ? `${words(foreseen.value)} measured`
    : `~${words(foreseen.value)} estimated`;
}

function stateWord(state: ModelDocument['instances'][number]['state'], style: Style): string {
  if (state === 'ready') return style.green(state);
  return state === 'failed' ? style.red(state) : style.yellow(state);
}

const planWords = {
  whole: 'on one device',
  divided: 'on several devices',
  partly: 'in part on devices',
  host: 'on the host',
  no: 'does not fit',
} as const;

export function planLines({ workers }: ModelPlanDocument, terminal: Terminal): readonly string[] {
  if (workers.length === 0) return ['there is no worker that serves models'];
  const takes = takenLines(workers, terminal);
  return [...placeLines(workers, terminal), ...(takes.length === 0 ? [] : ['', ...takes])];
}

type WorkerPlan = ModelPlanDocument['workers'][number];

function placeLines(workers: readonly WorkerPlan[], { columns, style }: Terminal): readonly string[] {
  return table(
    workers,
    [
      { title: 'WORKER', value: ({ name }) => printable(name) },
      {
        title: 'FITS',
        value: (plan) => (plan.kind === 'no' ? style.red(unfitWords(plan)) : planWords[plan.kind]),
      },
      {
        title: 'DEVICES',
        value: ({ devices }) =>
          devices
            .map(({ name, layers, bytes }) => `${printable(name)}: ${layers} layers, ${formatBytes(bytes)}`)
            .join('; ') || '-',
      },
      {
        title: 'HOST',
        value: ({ hostLayers, hostBytes }) =>
          hostBytes === 0
            ? '-'
            : `${hostLayers === 0 ? '' : `${hostLayers} layers, `}${formatBytes(hostBytes)}`,
      },
      { title: 'TOKENS/S', value: ({ tokensPerS }) => foreseenWords(tokensPerS, rounded), right: true },
      { title: 'LOADS IN', value: ({ loadMs }) => foreseenWords(loadMs, formatDuration), right: true },
      {
        title: 'WHY',
        value: ({ reasons, tuning, whenEmpty }) =>
          [
            ...(tuning === undefined ? [] : [`tuned: ${tuningWords(tuning)}`]),
            ...(whenEmpty === undefined ? reasons : emptyWords(whenEmpty, reasons)),
          ]
            .map(printable)
            .join('; '),
      },
    ],
    columns,
  );
}

function unfitWords({ whenEmpty }: WorkerPlan): string {
  if (whenEmpty === undefined) return planWords.no;
  return whenEmpty.kind === 'no' ? 'never fits' : 'not now';
}

/** Of what never fits, what is lacking now is of no account. */
function emptyWords(
  { kind, reasons }: NonNullable<WorkerPlan['whenEmpty']>,
  now: readonly string[],
): readonly string[] {
  if (kind !== 'no') return [`${planWords[kind]} with nothing else there`, ...now];
  const [first = '', ...others] = reasons;
  return [`even with nothing else there: ${first}`, ...others];
}

/** Of what the bytes are made, on each device that it is planned for and beside them on the host. */
function takenLines(workers: readonly WorkerPlan[], { columns }: Terminal): readonly string[] {
  const rows = workers.flatMap(({ name, devices, hostLayers, hostMemory }) => {
    const parts = [...devices, { name: 'host', layers: hostLayers, memory: hostMemory }];
    return parts.flatMap(({ name: on, layers, memory }) =>
      memory === undefined ? [] : [{ worker: printable(name), on: printable(on), layers, memory }],
    );
  });
  if (rows.length === 0) return [];
  const of = (part: keyof MemoryUse) => (row: (typeof rows)[number]) => bytesOrNone(row.memory[part]);
  return table(
    rows,
    [
      { title: 'WORKER', value: ({ worker }) => worker },
      { title: 'ON', value: ({ on }) => on },
      { title: 'LAYERS', value: ({ layers }) => String(layers), right: true },
      { title: 'WEIGHTS', value: of('weightBytes'), right: true },
      { title: 'CACHE', value: of('cacheBytes'), right: true },
      { title: 'COMPUTING', value: of('computeBytes'), right: true },
      { title: 'DRIVER', value: of('overheadBytes'), right: true },
      { title: 'LEARNED', value: of('learnedBytes'), right: true },
      { title: 'ALL', value: of('totalBytes'), right: true },
    ],
    columns,
  );
}

function bytesOrNone(bytes: number): string {
  if (bytes === 0) return '-';
  return bytes < 0 ? `-${formatBytes(-bytes)}` : formatBytes(bytes);
}
