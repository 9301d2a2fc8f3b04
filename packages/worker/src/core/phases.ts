/**
 * The life of an attempt on its worker, as a table: which stimulus may lead from which phase to which.
 *
 *   none ──lease──→ starting ──started──→ running ──exited──→ ended ──ack──→ none
 *   none ──adopted─→ running, stopping, ended       as an earlier life left it
 *   starting, running ──cancel, drain, drop, leaseLost, timeout, overuse, unhealthy──→ stopping
 *   stopping ──exited──→ ended (dropped: none)
 *
 * `none` is an attempt the worker does not hold: before its lease and after its acknowledgement.
 */

export type Phase = 'starting' | 'running' | 'stopping' | 'ended';
export type Stimulus =
  | 'lease'
  | 'cancel'
  | 'drain'
  | 'drop'
  | 'ack'
  | 'adopted'
  | 'started'
  | 'exited'
  | 'startFailed'
  | 'leaseLost'
  | 'timeout'
  | 'overuse'
  | 'unhealthy';
export type PhaseOrNone = Phase | 'none';

export interface PhaseTransition {
  readonly from: PhaseOrNone;
  readonly stimulus: Stimulus;
  readonly to: PhaseOrNone;
}

export interface StoryEntry extends PhaseTransition {
  readonly monoMs: number;
}

const rows: readonly (readonly [from: PhaseOrNone, Partial<Record<Stimulus, readonly PhaseOrNone[]>>])[] = [
  [
    'none',
    {
      lease: ['starting', 'ended'], // ended: refused
      cancel: ['none', 'ended'], // ended: the stop overtook its lease
      drain: ['none', 'ended'], // as above
      drop: ['none'],
      ack: ['none'],
      adopted: ['running', 'stopping', 'ended'],
    },
  ],
  [
    'starting',
    {
      lease: ['starting'],
      started: ['running'],
      startFailed: ['ended'],
      exited: ['ended'], // over before its start could be told
      cancel: ['stopping'],
      drain: ['stopping'],
      drop: ['stopping'],
      leaseLost: ['stopping'],
      ack: ['starting'],
    },
  ],
  [
    'running',
    {
      lease: ['running'],
      exited: ['ended'],
      cancel: ['stopping'],
      drain: ['stopping'],
      drop: ['stopping'],
      leaseLost: ['stopping'],
      timeout: ['stopping'],
      overuse: ['stopping'],
      unhealthy: ['stopping'],
      ack: ['running'],
    },
  ],
  [
    'stopping',
    {
      lease: ['stopping'],
      started: ['stopping'], // the stop crossed the start
      startFailed: ['ended', 'none'],
      exited: ['ended', 'none'], // none: dropped
      cancel: ['stopping'],
      drain: ['stopping'],
      drop: ['stopping'],
      leaseLost: ['stopping'],
      ack: ['stopping'],
    },
  ],
  ['ended', { lease: ['ended'], cancel: ['ended'], drain: ['ended'], drop: ['none'], ack: ['none'] }],
];

/** Every transition there is. */
export const phaseTransitions: readonly PhaseTransition[] = rows.flatMap(([from, row]) =>
  (Object.entries(row) as [Stimulus, readonly PhaseOrNone[]][]).flatMap(([stimulus, targets]) =>
    targets.map((to) => ({ from, stimulus, to })),
  ),
);

/** `running exited ended` */
export function nameOfTransition({ from, stimulus, to }: PhaseTransition): string {
  return `${from} ${stimulus} ${to}`;
}

/** The same, written once: every attempt takes some. */
const names = new Map<PhaseOrNone, Map<Stimulus, Map<PhaseOrNone, string>>>();
for (const transition of phaseTransitions) {
  const { from, stimulus, to } = transition;
  const row = names.get(from) ?? new Map();
  names.set(from, row);
  row.set(stimulus, (row.get(stimulus) ?? new Map()).set(to, nameOfTransition(transition)));
}

/** Undefined: there is no such transition. */
export function nameIfAllowed({ from, stimulus, to }: PhaseTransition): string | undefined {
  return names.get(from)?.get(stimulus)?.get(to);
}
