/** Tasks as documents for programs, and as lines for people. */
import type { Outcome } from '@gryphgen/client';
import {
  type Address,
  type Envelope,
  type Fetched,
  formatBytes,
  formatComputeCapability,
  formatDuration,
  type TaskDocument,
  type TaskOutput,
  type Usage,
  type Use,
} from '@gryphgen/protocol';
import { printable, printableDocument } from '../printable.ts';
import type { Style } from '../terminal.ts';
import { type Column, table } from './table.ts';

/** Wall ms → ISO 8601; 0, which means "not yet", → null. */
export function isoTime(wallMs: number): string | null {
  return wallMs === 0 ? null : new Date(wallMs).toISOString();
}

/** cli.md's task document. */
export function taskJson(task: TaskDocument) {
  const { id, name, kind, state, exitCode, worker, workerName, devices, attempts, failure, envelope } = task;
  return {
    id,
    name,
    kind,
    state,
    exitCode,
    worker: worker === '' ? null : worker,
    workerName: workerName === '' ? null : workerName,
    devices: devices.map(({ uuid }) => uuid),
    attempts,
    queuedAt: isoTime(task.queuedAt),
    startedAt: isoTime(task.startedAt),
    endedAt: isoTime(task.endedAt),
    ...(failure === null ? {} : { failure }),
    ...(task.addresses && { addresses: task.addresses }),
    ...(task.health && { health: task.health }),
    ...(task.outputs && { outputs: task.outputs }),
    ...(task.usage && { usage: task.usage }),
    ...(task.use && { use: task.use }),
    cancelRequested: task.cancelRequested,
    principal: task.principal,
    priority: envelope.priority,
    resources: envelope.resources,
    labels: envelope.labels,
    ...(envelope.taskClass === undefined ? {} : { class: envelope.taskClass }),
    ...(envelope.model === undefined ? {} : { model: envelope.model }),
    ...(envelope.image === undefined ? {} : { image: { name: envelope.image, ...task.image } }),
  };
}

/** `web 127.0.0.1:49153, 10.0.0.7:5353/udp` */
export function addressWords(addresses: readonly Address[]): string {
  return addresses
    .map(({ name, protocol, address }) => {
      const named = name === '' ? '' : `${name} `;
      return printable(`${named}${address}${protocol === 'tcp' ? '' : `/${protocol}`}`);
    })
    .join(', ');
}

function healthWords({ health }: TaskDocument, style: Style): string {
  if (health === undefined) return '';
  const words = health.words === '' ? '' : ` (${health.words})`;
  return (health.state === 'unhealthy' ? style.red(health.state) : health.state) + words;
}

function imageWords({ envelope, image }: TaskDocument): string {
  const name = envelope.image ?? '';
  if (image === undefined) return name;
  return `${name} (${image.digest === undefined ? '' : `${image.digest}, `}id ${image.id})`;
}

/** `t42 failed: the command exited with code 3` */
export function outcomeWords({ id, state, failure }: Outcome): string {
  return `${id} ${state}${failure === null ? '' : `: ${printable(failure.message)}`}`;
}

function stateWord(state: TaskDocument['state'], style: Style): string {
  switch (state) {
    case 'succeeded':
      return style.green(state);
    case 'failed':
      return style.red(state);
    case 'cancelled':
    case 'waiting':
      return style.yellow(state);
    case 'leased':
    case 'running':
      return style.cyan(state);
  }
}

export function taskTable(
  tasks: readonly TaskDocument[],
  nowMs: number,
  style: Style,
  columns: number,
): readonly string[] {
  const layout: readonly Column<TaskDocument>[] = [
    { title: 'ID', value: ({ id }) => id },
    { title: 'NAME', value: ({ name }) => name || '-' },
    { title: 'KIND', value: ({ kind }) => kind },
    { title: 'STATE', value: ({ state }) => stateWord(state, style) },
    { title: 'WORKER', value: ({ workerName }) => workerName || '-' },
    { title: 'TRIES', value: ({ attempts }) => String(attempts), right: true },
    { title: 'AGE', value: ({ queuedAt }) => age(nowMs - queuedAt), right: true },
    { title: 'RAN', value: (task) => ranFor(task, nowMs), right: true },
    ...(tasks.some(({ addresses }) => addresses !== undefined)
      ? [{ title: 'ADDRESS', value: ({ addresses = [] }: TaskDocument) => addressWords(addresses) || '-' }]
      : []),
    { title: 'WHY', value: (task) => task.failure?.message ?? fetchedWords(fetchedOf(task)) },
  ];
  return table(printableDocument(tasks), layout, columns);
}

export function taskLines(document: TaskDocument, nowMs: number, style: Style): readonly string[] {
  const task = printableDocument(document);
  const { envelope, failure } = task;
  const rows: readonly (readonly [string, string])[] = [
    ['id', style.bold(task.id)],
    ['name', task.name],
    ['kind', task.kind],
    ['image', imageWords(task)],
    ['model', envelope.model ?? ''],
    ['state', stateWord(task.state, style) + (task.cancelRequested ? ' (cancel requested)' : '')],
    ['exit code', task.exitCode === null ? '' : String(task.exitCode)],
    ['failure', failure === null ? '' : style.red(`${failure.message} (${failure.code})`)],
    ['worker', task.worker === '' ? '' : `${task.workerName} (${task.worker})`],
    ['devices', task.devices.map(({ uuid, vramBytes }) => `${uuid} (${formatBytes(vramBytes)})`).join(', ')],
    ['addresses', addressWords(task.addresses ?? [])],
    ['health', healthWords(task, style)],
    ['outputs', (task.outputs ?? []).map(outputWords).join(', ')],
    ['asks for', resourcesWords(envelope.resources)],
    ['tries', task.attempts === 0 ? '' : `${task.attempts} (${retriesWords(envelope)})`],
    ['queued', when(task.queuedAt, nowMs)],
    ['started', when(task.startedAt, nowMs)],
    ['ended', when(task.endedAt, nowMs)],
    ['ran', ranFor(task, nowMs)],
    ['inputs', fetchedWords(fetchedOf(task))],
    ['uses', useWords(task.use)],
    ['used', usageWords(task.usage)],
    ['labels', pairs(envelope.labels)],
    ['class', envelope.taskClass ?? ''],
    ['principal', task.principal],
  ];
  return rows
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `${style.dim(name.padEnd(10))} ${value}`);
}

/** What has come of its inputs, while they come. */
function fetchedOf({ state, use }: TaskDocument): Fetched | undefined {
  return state === 'leased' ? use?.fetched : undefined;
}

/** `fetching its inputs: 30% of 4 GiB`: for lines that stay, so few of them. */
export function fetchedInTenths({ bytes, of }: Fetched): string {
  const tenths = of === 0 ? 0 : Math.floor((10 * bytes) / of);
  return `fetching its inputs: ${10 * tenths}% of ${formatBytes(of)}`;
}

/** `fetching its inputs: 1.2 GiB of 4 GiB (30%)` */
export function fetchedWords(fetched: Fetched | undefined): string {
  if (fetched === undefined) return '';
  const { bytes, of } = fetched;
  const part = of === 0 ? 0 : Math.floor((100 * bytes) / of);
  return `fetching its inputs: ${formatBytes(bytes)} of ${formatBytes(of)} (${part}%)`;
}

function outputWords({ path, bytes, copied }: TaskOutput): string {
  return `${path} (${formatBytes(bytes)}${copied ? '' : ', on its worker alone'})`;
}

function useWords({ cpuMilli, memoryBytes, vramBytes }: Use = {}): string {
  const parts = [
    cpuMilli === undefined ? '' : `${cpuMilli / 1000} CPU`,
    memoryBytes === undefined ? '' : `${formatBytes(memoryBytes)} memory`,
    vramBytes === undefined ? '' : `${formatBytes(vramBytes)} VRAM`,
  ];
  return parts.filter((part) => part !== '').join(', ');
}

function usageWords({ cpuMs, peakMemoryBytes, peakVramBytes }: Usage = {}): string {
  const parts = [
    cpuMs === undefined ? '' : `${formatDuration(cpuMs)} of CPU time`,
    peakMemoryBytes === undefined ? '' : `${formatBytes(peakMemoryBytes)} memory at most`,
    peakVramBytes === undefined ? '' : `${formatBytes(peakVramBytes)} VRAM at most`,
  ];
  return parts.filter((part) => part !== '').join(', ');
}

function retriesWords({ restart, retries }: Envelope): string {
  return restart === undefined ? `retries: ${retries.limit}` : `restart: ${restart}`;
}

function resourcesWords({ cpuMilli, memoryBytes, diskBytes, gpu }: Envelope['resources']): string {
  const parts = [`${cpuMilli / 1000} CPU`];
  if (memoryBytes > 0) parts.push(`${formatBytes(memoryBytes)} memory`);
  if (diskBytes > 0) parts.push(`${formatBytes(diskBytes)} disk`);
  if (gpu?.kind === 'whole') parts.push(`${gpu.count} whole GPU${gpu.count === 1 ? '' : 's'}`);
  if (gpu?.kind === 'part') parts.push(`${formatBytes(gpu.vramBytes)} VRAM of one GPU`);
  if (gpu?.kind === 'parts')
    parts.push(...gpu.parts.map(({ uuid, vramBytes }) => `${formatBytes(vramBytes)} VRAM of ${uuid}`));
  if (gpu?.minComputeCapability !== undefined)
    parts.push(`compute capability ≥ ${formatComputeCapability(gpu.minComputeCapability)}`);
  if (gpu?.name !== undefined) parts.push(`GPU named "${gpu.name}"`);
  if (gpu?.uuid !== undefined) parts.push(gpu.uuid);
  return parts.join(', ');
}

export function pairs(map: Readonly<Record<string, string>>): string {
  return Object.entries(map)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
}

function ranFor({ startedAt, endedAt }: TaskDocument, nowMs: number): string {
  return startedAt === 0 ? '' : formatDuration(Math.max(0, (endedAt || nowMs) - startedAt));
}

/** Clocks of two machines differ: nothing is younger than now. */
export function age(ms: number): string {
  return ms < 1000 ? '0 s' : formatDuration(Math.floor(ms / 1000) * 1000);
}

function when(wallMs: number, nowMs: number): string {
  return wallMs === 0 ? '' : `${new Date(wallMs).toISOString()} (${age(nowMs - wallMs)} ago)`;
}
