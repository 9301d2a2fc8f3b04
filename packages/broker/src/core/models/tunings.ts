/**
 * What was measured of a model's instances, and is kept for those to come (E39).
 *
 * 1. A tuning stands with its model, in the decision that makes that known: it goes with it, and with its file.
 * 2. It is in force where the model is to be served as it was then, on the engines and the machine it was measured by, and
 *    where there is room for it: else an instance is begun as if there were none. Why it is not in force can be told.
 */
import {
  type DeviceUuid,
  formatBytes,
  isSameSeat,
  limits,
  type ModelSpec,
  type RequestArgs,
  type Serving,
  type Tuning,
  type TuningDocument,
  type TuningFound,
  type WorkerId,
  type WorkerReport,
} from '@gryphgen/protocol';
import type { WorkerView } from '@gryphgen/scheduler';
import { nameOf } from '../documents.ts';
import type { BrokerState, Session } from '../state.ts';
import type { Model } from './model-book.ts';

/** What is kept for this seat. */
export function tuningOn(
  { tunings }: Pick<Model, 'tunings'>,
  worker: string,
  seat: readonly DeviceUuid[],
): Tuning | undefined {
  return tunings.find((tuning) => tuning.worker === worker && isSameSeat(tuning.devices, seat));
}

/** How many layers of a plan go on which devices. */
type Seated = readonly { readonly device: DeviceUuid; readonly layers: number }[];

/**
 * A plan made again with what is kept for its seat and in force; undefined where nothing is. Its own `plan` is there as long as the
 * model goes on the same seat with that, too, and with as much of it on the devices. `planned` undefined: it fits nowhere.
 */
export function planTuned<P>(
  model: Pick<Model, 'spec' | 'tunings'>,
  view: WorkerView,
  plan: P,
  planned: (serving: Serving) => P | undefined,
  seatedOf: (plan: P) => Seated,
): { readonly serving: Serving; readonly plan?: P } | undefined {
  const seated = seatedOf(plan);
  const serving = tunedServing(model, view, uuidsOf(seated));
  if (serving === undefined) return undefined;
  const better = planned(serving);
  if (better === undefined || !isSeatedAlike(seatedOf(better), seated)) return { serving };
  return { serving, plan: better };
}

function isSeatedAlike(one: Seated, other: Seated): boolean {
  const layersOf = (seated: Seated) => seated.reduce((sum, { layers }) => sum + layers, 0);
  return layersOf(one) === layersOf(other) && isSameSeat(uuidsOf(one), uuidsOf(other));
}

function uuidsOf(seated: Seated): readonly DeviceUuid[] {
  return seated.map(({ device }) => device);
}

function tunedServing(
  model: Pick<Model, 'spec' | 'tunings'>,
  { id, report }: WorkerView,
  seat: readonly DeviceUuid[],
): Serving | undefined {
  const tuning = tuningOn(model, id, seat);
  return tuning !== undefined && whyStale(tuning, model.spec, report) === '' ? tuning.serving : undefined;
}

export function tuningDocument(
  state: BrokerState,
  { spec }: Pick<Model, 'spec'>,
  tuning: Tuning,
): TuningDocument {
  const report = state.workers.get(tuning.worker as WorkerId)?.view.report ?? null;
  return {
    ...tuning,
    workerName: nameOf(state, tuning.worker as WorkerId),
    stale: whyStale(tuning, spec, report),
  };
}

/** With this for its seat, or without what was kept for that worker, or for any. */
export function tuningsWith(
  { spec, tunings }: Model,
  view: WorkerView | undefined,
  found: TuningFound | undefined,
  { principal }: Pick<Session, 'principal'>,
  wall: number,
): readonly Tuning[] {
  if (view === undefined) return [];
  if (found === undefined) return tunings.filter(({ worker }) => worker !== view.id);
  const tuning: Tuning = {
    ...found,
    worker: view.id,
    of: spec.serving,
    engines: enginesOf(view.report),
    machine: machineOf(view.report, found.devices),
    by: principal,
    at: wall,
  };
  const others = tunings.filter(
    ({ worker, devices }) => worker !== view.id || !isSameSeat(devices, found.devices),
  );
  return [...others, tuning].slice(-limits.tunings);
}

/** Asked again, nothing is decided again. */
export function isTuned(
  { tunings }: Model,
  view: WorkerView | undefined,
  found: TuningFound | undefined,
): boolean {
  if (view === undefined) return tunings.length === 0;
  if (found === undefined) return tunings.every(({ worker }) => worker !== view.id);
  const kept = tuningOn({ tunings }, view.id, found.devices);
  return kept !== undefined && JSON.stringify(foundIn(kept)) === JSON.stringify(foundIn(found));
}

/** Named by its id or by its name; undefined where there is none. */
export function workerAsked(
  state: BrokerState,
  { worker }: RequestArgs<'tuneModel'>,
): WorkerView | undefined {
  return state.views.find(({ id, name }) => id === worker || name === worker);
}

/** Its parts in one order. */
function foundIn({ devices, serving, best, untuned, load, texts, trials }: TuningFound): readonly unknown[] {
  return [devices, serving, best, untuned, load, texts, trials];
}

/** A worker that has told nothing in this epoch is what it was. */
function whyStale(
  tuning: Tuning,
  { serving }: Pick<ModelSpec, 'serving'>,
  report: WorkerReport | null,
): string {
  const { of, devices } = tuning;
  if (JSON.stringify(of) !== JSON.stringify(serving))
    return `measured for ${servedWords(of)}, it is to be served with ${servedWords(serving)} now`;
  if (report === null) return '';
  if (!devices.every((device) => report.devices.some(({ uuid }) => uuid === device)))
    return `measured on ${tuning.machine}, which is not there now`;
  const engines = enginesOf(report);
  if (engines !== tuning.engines) return `measured with ${tuning.engines}, there is ${engines} now`;
  const machine = machineOf(report, devices);
  return machine === tuning.machine ? '' : `measured on ${tuning.machine}, it is ${machine} now`;
}

function servedWords({ slots, slotTokens, kvType }: Serving): string {
  return `${slots} × ${slotTokens} tokens of ${kvType}`;
}

/** All that are there: which of them an instance is given is its worker's choice, and the same for the same list. */
function enginesOf(report: WorkerReport | null): string {
  const engines = report?.engines ?? [];
  if (engines.length === 0) return 'engines of which nothing is known';
  return engines
    .map(({ name, version, backends }) => `${name} ${version} (${backends.join(', ')})`)
    .join(', ');
}

/** A device's driver may change: that is told by its engine, if by anything. */
function machineOf(report: WorkerReport | null, seat: readonly DeviceUuid[]): string {
  const { cpuMilli = 0, hardware, devices = [] } = report ?? {};
  const cpu = `${cpuMilli / 1000} CPU of ${hardware?.cpu.model || 'a kind unknown'}`;
  const on = devices
    .filter(({ uuid }) => seat.includes(uuid))
    .map(({ name, vramBytes }) => `${name} of ${formatBytes(vramBytes)}`);
  return [...on, cpu].join(', ');
}
