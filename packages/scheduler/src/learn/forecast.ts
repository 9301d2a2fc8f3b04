/** What placement asks of what is known about runs to come. */
import type { DeviceUuid, Envelope } from '@gryphgen/protocol';
import type { Shape } from '../shape.ts';
import type { WorkerView } from '../worker-view.ts';
import type { Ending } from './lines.ts';

/** A task as far as its run can be foretold from it. */
export interface Foretold {
  readonly shape: Shape;
  readonly taskClass: string;
  readonly inputs?: Envelope['inputs'];
  /** Of a question to a model that tells how long it is. */
  readonly question?: Pick<Envelope, 'model' | 'prefix' | 'asks'>;
  /** Of all of them; 0: none, or not known. */
  readonly inputBytes: number;
}

/** ms. `device`: that it would hold. */
export type RunsOf = (worker: WorkerView, device: DeviceUuid | undefined) => number;

export interface Forecast {
  /** Of many seats in turn, until anything else is learned; undefined where nothing of its class is known. */
  runsOf(task: Foretold): RunsOf | undefined;
  /** ms, somewhere: by which runs are called short or long. */
  typicalMs(task: Foretold): number | undefined;
  /** Nothing of its class has ended yet: what is told is what others take. */
  isGuessed(task: Foretold): boolean;
  /** So much is known of its class that a worker may be left alone for it. */
  isWellKnown(task: Foretold): boolean;
  /** ms until its image and its inputs are there. */
  fetchMs(task: Foretold, worker: WorkerView): number;
  /** Of what holds a part of the worker. */
  endings(worker: WorkerView): readonly Ending[];
  /** So little is known of its class there that it is worth a try; `tried` when it goes there for that. */
  isWorthTrying(task: Foretold, worker: WorkerView, device: DeviceUuid | undefined): boolean;
  tried(task: Foretold): void;
}
