/**
 * A worker as placement sees it: the broker's state owns one for each worker it knows.
 *
 * 1. Whatever placement reads of a worker changes through `changeView`, `reserve` and `release`, and each raises
 *    `versionOf` and tells the worker's roster: as long as that is the same, so is every answer about the worker.
 */
import type { WorkerId, WorkerReport } from '@gryphgen/protocol';
import { emptyLedger, type Ledger } from './ledger.ts';
import { lotOf } from './sample.ts';

/** A model's instances on one worker. */
export interface HostedModel {
  /** Requests that those which are ready answer at a time. */
  readonly slots: number;
  /** One is there, and not ready yet. */
  readonly isComing: boolean;
}

export interface WorkerView {
  readonly id: WorkerId;
  /** Its place in the order in which a large grid is looked at (sample.ts). */
  readonly lot: number;
  readonly name: string;
  /** null: not heard of since the broker started. */
  readonly report: WorkerReport | null;
  readonly connected: boolean;
  readonly draining: boolean;
  /** Wall ms of a drain's deadline; 0 without one. */
  readonly drainUntil: number;
  /** Wall ms at which a drain ends by itself; 0 where it is to be resumed. */
  readonly resumesAt: number;
  readonly ledger: Ledger;
  /** By name; models of which nothing is there have no entry. An observation. */
  readonly models: ReadonlyMap<string, HostedModel>;
  /** It owns these, by `shardKey`. */
  readonly shards: ReadonlySet<string>;
  /** Host memory that its attempts hold beyond what is reserved for them: an observation. */
  readonly beyondBytes: number;
  /** 0..1, share of attempts that were not lost lately. */
  readonly reliability: number;
  /** Changes of the view itself; the ledger counts its own. */
  readonly version: number;
}

export type ViewChange = Partial<Omit<WorkerView, 'id' | 'lot' | 'ledger' | 'version'>>;

/** A worker that is known by its name alone, and holds nothing. */
export function newView(id: WorkerId, name: string): WorkerView {
  return {
    id,
    lot: lotOf(id),
    name,
    report: null,
    connected: false,
    draining: false,
    drainUntil: 0,
    resumesAt: 0,
    ledger: emptyLedger(),
    models: new Map(),
    shards: new Set(),
    beyondBytes: 0,
    reliability: 1,
    version: 0,
  };
}

/** What is as it was already raises nothing. */
export function changeView(view: WorkerView, change: ViewChange): void {
  const keys = Object.keys(change) as (keyof ViewChange)[];
  if (keys.every((key) => view[key] === change[key])) return;
  Object.assign(view, change, { version: view.version + 1 });
  view.ledger.onChange?.();
}

/** Only ever rises. */
export function versionOf({ version, ledger }: WorkerView): number {
  return version + ledger.version;
}
