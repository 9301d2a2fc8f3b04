/**
 * How fast a model would write, before it wrote anything there: for each token all weights that it uses are read once, so
 * the memory that they lie in is what bounds it. How fast that is was measured there with another model, or else is what
 * makers say of a card, and what one thread copies on a host. An estimate to choose by, seldom off by more than twice.
 */
import {
  type Calibration,
  type Device,
  hostSeat,
  type ModelDescription,
  type WorkerReport,
} from '@gryphgen/protocol';
import { bandwidthOf } from './device-bandwidth.ts';
import { HOST, offloadLast } from './offload.ts';
import type { ModelSeat } from './plan-model.ts';

/** Of what makers say, programs reach about so much. */
const reachedShare = 0.6;
/** Of a layer with experts, what every token uses: attention, norms, the router. */
const sharedShare = 0.1;
/** For a token: what takes longer was measured wrongly. */
const mostSeconds = 3600;

/** For one who asks alone; undefined where it cannot be said. */
export function estimatedTokensPerS(
  model: ModelDescription,
  { kind, devices, hostLayers }: ModelSeat,
  { calibration }: Pick<WorkerReport, 'calibration'>,
): number | undefined {
  if (kind === 'no' || !model.isGenerative) return undefined;
  const counts = devices.map(({ layers }) => layers);
  const offloaded = counts.reduce((sum, count) => sum + count, 0);
  const offload = offloadLast(model.layers.length, offloaded, counts);
  let seconds = 0;
  for (const owner of [HOST, ...devices.keys()]) {
    const bytes = readOn(model, offload, owner);
    if (bytes === 0) continue;
    const device = devices[owner]?.device;
    const speed =
      measuredOn(calibration, device?.uuid ?? hostSeat) ??
      (device === undefined ? calibration?.memoryBytesPerS : reachedOn(device));
    if (!speed || (device === undefined && hostLayers === 0)) return undefined;
    seconds += bytes / speed;
  }
  return seconds > 0 && seconds < mostSeconds ? 1 / seconds : undefined;
}

function measuredOn(calibration: Calibration | undefined, seat: string): number | undefined {
  const rate = calibration?.models?.find((measured) => measured.seat === seat)?.weightsBytesPerS ?? 0;
  return rate > 0 ? rate : undefined;
}

function reachedOn(device: Pick<Device, 'name'>): number | undefined {
  const bandwidth = bandwidthOf(device);
  return bandwidth && bandwidth * reachedShare;
}

/** Of the weights, that a token of it reads where all of it lies in one memory. */
export function bytesPerToken(model: ModelDescription): number {
  return readOn(model, offloadLast(model.layers.length, 0, []), HOST);
}

/** For one token. */
function readOn(model: ModelDescription, offload: ReturnType<typeof offloadLast>, owner: number): number {
  const { layers, experts, outputBytes, tiedBytes, inputBytes } = model;
  const used = experts === undefined ? 1 : sharedShare + (1 - sharedShare) * (experts.used / experts.count);
  const own = layers.reduce(
    (sum, { bytes, forward }, at) =>
      offload.layers[at] === owner ? sum + bytes * (forward === 'experts' ? used : 1) : sum,
    0,
  );
  const output = outputBytes + (outputBytes === 0 ? tiedBytes || inputBytes : 0);
  return own + (offload.output === owner ? output : 0);
}
