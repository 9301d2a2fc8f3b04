/**
 * How fast a model is foreseen to write where one is begun, told as what a worker's report says of its other seats: so that its first
 * questions there are foretold by what was measured of that machine, and not by how fast its processors are.
 *
 * 1. Decided, so that a replay foretells the same; only of what is not known yet.
 */
import type { ModelDescription, ModelSpec, WorkerReport } from '@gryphgen/protocol';
import { askedSeat, type ModelSeat, type ToldSeat } from '@gryphgen/scheduler';
import { type Context, decide } from '../context.ts';
import { decided } from '../record/decisions.ts';
import { foreseenSpeed } from './foreseen-speeds.ts';
import type { InstancePlan } from './model-plans.ts';

/** As 1: of models that differ, each is held against itself elsewhere. Seats are told apart from a sixteenth of it to four times. */
const referenceTokensPerS = 25;

export function tellAskedSeat(context: Context, spec: ModelSpec, plan: InstancePlan): void {
  const { state, now } = context;
  const { view } = state.workers.get(plan.worker) ?? {};
  if (view?.report == null || spec.trial !== undefined) return;
  const foreseen = foreseenSpeed(state, spec, view, seatOf(spec.description, plan, view.report));
  if (foreseen === undefined) return;
  const speed = Number((foreseen.value / referenceTokensPerS).toPrecision(2));
  const seat: ToldSeat = [askedSeat(view.id, spec.name), `answers on ${placeOf(plan, view.report)}`, speed];
  if (!state.learned.runs.isDescribed(...seat))
    decide(context, [decided.workerNamed, view.id, view.name, now.wall, [seat]]);
}

function seatOf(
  { layers }: ModelDescription,
  { deviceLayers, devices: held }: InstancePlan,
  { devices: has }: WorkerReport,
): ModelSeat {
  const devices = held.flatMap(({ device: uuid, layers: count }) =>
    has.filter((device) => device.uuid === uuid).map((device) => ({ device, layers: count })),
  );
  const hostLayers = Math.max(0, layers.length + 1 - deviceLayers);
  return { kind: devices.length === 0 ? 'host' : hostLayers > 0 ? 'partly' : 'whole', devices, hostLayers };
}

/** Those alike are expected to be as fast. */
function placeOf({ devices: held }: InstancePlan, { devices: has, hardware }: WorkerReport): string {
  if (held.length === 0) return hardware?.cpu.model ?? '';
  return held.map(({ device }) => has.find(({ uuid }) => uuid === device)?.name ?? '').join(', ');
}
