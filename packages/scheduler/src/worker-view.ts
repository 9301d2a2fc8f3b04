/** A worker as placement sees it: the broker's state owns one for each worker it knows. */
import type { WorkerId, WorkerReport } from '@gryphgen/protocol';
import type { Ledger } from './ledger.ts';

export interface WorkerView {
  readonly id: WorkerId;
  name: string;
  /** null: not heard of since the broker started. */
  report: WorkerReport | null;
  connected: boolean;
  draining: boolean;
  /** Wall ms of a drain's deadline; 0 without one. */
  drainUntil: number;
  ledger: Ledger;
  /** 0..1, share of attempts that were not lost lately. */
  reliability: number;
}
