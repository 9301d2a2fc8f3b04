/**
 * A model's settings measured on one worker, and the best kept for it.
 *
 * 1. All trials compute on the seat of the first one: what a setting moves elsewhere, for want of room, is none of its kind.
 * 2. A worker that is gone ends the measuring there, and nothing is kept.
 * 3. Where nothing is better than what is usual, what was kept for that worker before is forgotten.
 */
import {
  type Choosing,
  dimensionsFor,
  middle,
  type SearchEnd,
  type SettingsTrial,
  searchSettings,
} from '@gryphgen/client';
import {
  type DeviceUuid,
  failure,
  GridError,
  isSameSeat,
  type NodeDocument,
  type RoundSpeeds,
  type Serving,
} from '@gryphgen/protocol';
import { systemAlarms } from '@gryphgen/runtime';
import { measureSettings, type TrialPlace } from './settings-trial.ts';
import { stillThere, whileThere } from './while-there.ts';

export interface WorkerTuning extends Pick<SearchEnd, 'trials' | 'isCut'> {
  readonly node: NodeDocument;
  /** None: its host. */
  readonly devices: readonly string[];
  readonly untuned: RoundSpeeds;
  readonly best: { readonly serving: Serving; readonly speeds: RoundSpeeds };
  /** They are better than what is usual, and the next instance there is begun with them. */
  readonly isKept: boolean;
}

export interface TuneOptions extends Omit<TrialPlace, 'worker'>, Pick<Choosing, 'kvTypes'> {
  /** Settings measured at most, and none is begun after. */
  readonly trials: number;
  readonly isOver: () => boolean;
  readonly onTrial: (trial: SettingsTrial, untuned: RoundSpeeds | undefined) => void;
}

/** Throws GridError where the model cannot be measured there as it is. */
export async function tuneWorker(node: NodeDocument, options: TuneOptions): Promise<WorkerTuning> {
  const { client, model, shape, kvTypes, trials, isOver, onTrial } = options;
  const { report } = node;
  if (report === null) throw new GridError(failure('lost.worker', `${node.name} has not been heard of`));
  let seat: readonly string[] | undefined;
  let untuned: RoundSpeeds | undefined;
  const measure = async (serving: Serving) => {
    const measured = await whileThere(
      client,
      node,
      { alarms: systemAlarms, signal: options.signal },
      (signal) => measureSettings({ ...options, worker: node.id, signal }, serving),
    );
    if (measured.kind === 'failed') {
      await stillThere(client, node);
      return measured;
    }
    const { devices = [] } = measured;
    seat ??= devices;
    untuned ??= middle(measured.rounds).speeds;
    if (isSameSeat(devices, seat)) return measured;
    return { kind: 'failed', why: `there is room for it ${whereWords(devices)} only` } as const;
  };
  const first = await measure(model.serving);
  if (first.kind === 'failed')
    throw new GridError(
      failure('execution.model', `${model.name} cannot be measured on ${node.name}: ${first.why}`),
    );
  let measuredFirst = false;
  const end = await searchSettings({
    start: model.serving,
    dimensions: dimensionsFor({ report, isOnDevice: (seat ?? []).length > 0, shape, kvTypes }),
    ...{ trials, isOver },
    measure: (serving) => {
      if (measuredFirst) return measure(serving);
      measuredFirst = true;
      return Promise.resolve(first);
    },
    onTrial: (trial) => onTrial(trial, untuned),
  });
  return await keep(node, seat ?? [], end, options);
}

async function keep(
  node: NodeDocument,
  devices: readonly string[],
  { untuned, best, trials, isCut }: SearchEnd,
  { client, model: { name, serving }, shape }: TuneOptions,
): Promise<WorkerTuning> {
  if (untuned === undefined || best === undefined) throw new Error('the first trial was measured');
  const isKept = best.serving !== serving;
  await client.request('tuneModel', {
    ...{ name, worker: node.id },
    ...(isKept && {
      found: {
        ...{ serving: best.serving, best: best.speeds, untuned, load: shape.load, trials: trials.length },
        ...(shape.use !== 'infer' && { texts: shape.texts }),
        devices: devices.map((device) => device as DeviceUuid),
      },
    }),
  });
  return { node, devices, untuned, best, trials, isCut, isKept };
}

function whereWords(devices: readonly string[]): string {
  return devices.length === 0 ? 'on the host' : `on ${devices.join(' and ')}`;
}
