/** How much each benchmark does. `tiny` is for the smoke test: it shows that all runs, and measures nothing. */

import { mixedScale } from '@gryphgen/scheduler';

export interface Scale {
  /** Of the mixed workloads: how many of the grids, at which loads, from which seeds, and tasks before and in the measure. */
  readonly mixed: {
    readonly grids: number;
    readonly loads: readonly number[];
    readonly seeds: readonly number[];
    readonly taught: number;
    readonly measured: number;
  };
  /** Of the published trace: nodes and lists from the first on, and seeds. */
  readonly traces: { readonly nodes: number; readonly lists: number; readonly seeds: readonly number[] };
  /** Repetitions of what is compared; rounds of both sides are interleaved. */
  readonly rounds: number;
  /** No-op tasks of one round. */
  readonly tasks: number;
  /** Submitted and not finished, at most. */
  readonly outstanding: number;
  /** Tasks run before measuring, so that code is compiled and connections stand. */
  readonly warmUp: number;
  /** Tasks submitted one after the other. */
  readonly sequential: number;
  /** How long half the peak rate is kept up. */
  readonly steadySeconds: number;
  /** Workers, and clients, of the benchmark of many peers. */
  readonly peers: number;
  /** Tasks that wait in the benchmark of memory. */
  readonly queued: number;
  /** Workers whose broker is killed; more are held against the fewest. */
  readonly reconnecting: readonly number[];
  /** Grid sizes at which placement is measured. */
  readonly gridSizes: readonly number[];
  readonly placements: number;
  /** Pairs of containers. */
  readonly containers: number;
  /** One file of the benchmark of transfers. */
  readonly transferMebi: number;
  /** Of each judged collection. */
  readonly judgedDocuments: number;
  /** Of text and of code. */
  readonly ingestedBytes: number;
  /** Of one token, of one round. */
  readonly chats: number;
  /** Streams open at a time, after so many chats of one token. */
  readonly heldStreams: number;
  readonly chatsBefore: number;
  /**
   * Chats until what is kept of past ones is full (20,000 attempts at a worker, 10,000 tasks at the broker), and those after
   * them, over which memory should stay.
   */
  readonly chatsSettled: number;
  readonly chatsHeld: number;
  /** Among which questions are asked. */
  readonly passages: number;
}

export const fullScale: Scale = {
  mixed: { grids: 4, ...mixedScale },
  traces: { nodes: 10_000, lists: 100, seeds: [42, 43, 44, 45, 46, 47, 48, 49, 50, 51] },
  rounds: 5,
  tasks: 100_000,
  outstanding: 1000,
  warmUp: 20_000,
  sequential: 2000,
  steadySeconds: 5,
  peers: 50,
  queued: 1_000_000,
  reconnecting: [50, 500],
  gridSizes: [10, 100, 1000, 10_000],
  placements: 500,
  containers: 30,
  transferMebi: 256,
  judgedDocuments: 10_000,
  ingestedBytes: 20_000_000,
  chats: 500,
  heldStreams: 1000,
  chatsBefore: 3000,
  chatsSettled: 25_000,
  chatsHeld: 10_000,
  passages: 100_000,
};

export const tinyScale: Scale = {
  mixed: { grids: 1, loads: [0.5], seeds: [1], taught: 50, measured: 50 },
  traces: { nodes: 50, lists: 1, seeds: [42] },
  rounds: 1,
  tasks: 200,
  outstanding: 50,
  warmUp: 50,
  sequential: 10,
  steadySeconds: 0.1,
  peers: 3,
  queued: 500,
  reconnecting: [3],
  gridSizes: [10, 20],
  placements: 10,
  containers: 2,
  transferMebi: 1,
  judgedDocuments: 50,
  ingestedBytes: 100_000,
  chats: 10,
  heldStreams: 20,
  chatsBefore: 20,
  chatsSettled: 20,
  chatsHeld: 20,
  passages: 100,
};
