/**
 * What runs attempts: one interface for containers, processes and everything else; one conformance suite
 * (test/conformance/executor-suite.ts) that each must pass.
 *
 * 1. For each `start`, exactly one end is told: `startFailed`, or `exited` after at most one `started`. Output is in the
 *    log before the end is told. Nothing is told of an attempt after its end.
 * 2. `stop` may come at any time, also in the middle of a start, and again with less grace: the earlier kill counts.
 * 3. What an attempt left (container, folder) stays until `forget`: it is the worker's memory over a restart.
 * 4. No method throws or blocks; what goes wrong is told as a failure in words.
 */
import type { Failure, HeldShards, ModelEngine, Offers, TaskKind } from '@gryphgen/protocol';
import type { StartOrder } from '../core/effects.ts';
import type { AdoptedAttempt, Exit, Reading, ServiceState } from '../core/events.ts';
import type { Fence } from '../core/fence.ts';
import type { StopWhy } from '../core/state.ts';
import type { Enter } from '../exec/exec-sessions.ts';
import type { ProcessOwner } from './process-owner.ts';

export interface ExecutorEvents {
  started(fence: Fence): void;
  /** What it uses now; at a low rate while it runs, and not of what is over soon. */
  used(fence: Fence, reading: Reading): void;
  /** Of a service, after its start or adoption and at each change. */
  served(fence: Fence, service: ServiceState): void;
  exited(fence: Fence, exit: Exit): void;
  startFailed(fence: Fence, failure: Failure): void;
}

/** `notYet`: in words, why there may be attempts that cannot be seen now. Until they can, no broker may be told any. */
export type Adoption = readonly AdoptedAttempt[] | { readonly notYet: string };

export interface Executor {
  readonly kind: TaskKind;
  /** Finds out whether attempts can run now (is there an engine?); once before `adopt`, then at a low rate. */
  probe(): Promise<boolean>;
  /** What the owner lets tasks of this kind have, as of the last probe. */
  offers?(): Offers;
  /** What loads models here, as of the last probe. */
  readonly engines?: readonly ModelEngine[];
  /** What is wrong with what it runs things by, in words, as of the last probe. */
  readonly troubles?: readonly string[];
  /** What its worker is labelled with beside what its owner says, now. */
  labels?(): Readonly<Record<string, string>>;
  /** Shards of collections that are here now. */
  readonly shards?: HeldShards | undefined;
  /**
   * What an earlier life of this worker left behind; what cannot be adopted is removed. Before any start; once, and
   * again for as long as it says `notYet`.
   */
  adopt(): Promise<Adoption>;
  start(order: StartOrder): void;
  stop(fence: Fence, graceMs: number, why: StopWhy): void;
  forget(fence: Fence): void;
  /** Others wait for what it lends (E41); absent where nothing is lent. */
  recall?(fence: Fence): void;
  /** Absent where attempts cannot be entered. */
  readonly enter?: Enter;
  /** Whose this process is, by its number on this machine. */
  ownerOf(pid: number): Promise<ProcessOwner>;
  /** How many containers wait for a task; absent where nothing is started ahead. */
  readonly warm?: number;
  /** The machine is short of something: what is not needed goes. */
  press?(pressed: boolean): void;
  /** Lets go of timers and sockets. What can outlive the worker runs on and is adopted by its next life. */
  close(): Promise<void>;
}

export const noOutcome = new Uint8Array(0);
