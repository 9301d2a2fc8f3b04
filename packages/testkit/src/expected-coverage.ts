/**
 * What an exploration must have reached, and what it cannot, each with its reason.
 *
 * Tasks: every move of a task's phase that the rules allow. Attempts: the worker's own table of transitions. Messages:
 * each kind met by each kind of fault.
 */
import { nameOfTransition, phaseTransitions } from '@gryphgen/worker';
import { messageKinds } from './message-line.ts';

const taskMoves = [
  'none → waiting',
  'waiting → leased',
  'waiting → cancelled',
  'waiting → failed',
  'leased → running',
  'leased → waiting',
  'leased → backoff',
  'leased → succeeded',
  'leased → failed',
  'leased → cancelled',
  'running → waiting',
  'running → backoff',
  'running → succeeded',
  'running → failed',
  'running → cancelled',
  'backoff → waiting',
  'backoff → cancelled',
  'backoff → failed',
];
const survivals = ['waiting', 'backoff', 'leased', 'running'];

/** What those are told who have no right to what they ask, or no session. */
const answers = [
  'submission refused: rejected.forbidden',
  'submission refused: rejected.key-conflict',
  'answer to cancel: failed',
  'answer to drain: failed',
  'answer to remove: failed',
  'a stranger is told: helloAgain',
  'submission refused: rejected.limit',
  'a principal runs as much as it may',
  'a task waits for the quota of its principal',
  'a drain is planned',
  'a planned drain begins',
  'a planned drain is over',
  'answer to plan: failed',
  'a principal is revoked',
  'room is kept for a task',
  'a task takes the room that was kept',
  'what ends in time runs on room that is kept',
  'an attempt is to end for another task',
  'an attempt has ended for another task',
  'a lease that was not taken is sent again',
  'an instance is begun',
  'an instance holds several devices',
  'an instance makes room for another',
  'a model is in trouble',
  'a request is leased',
  'a slot is lent',
  'a loan is called back',
  'a loan has ended because it was called back',
  'answer to model: replied',
  'answer to model: failed',
  'answer to revoke: failed',
  'answer to policy: replied',
  'answer to policy: failed',
];

const faults = ['drop', 'delay', 'duplicate', 'reorder', 'partition', 'crash', 'cut'];

/** Name, or the beginning of it: why no run reaches it. */
export const exclusions: Readonly<Record<string, string>> = {
  'credit × drop': 'credit is small only in runs whose connections lose nothing (simulation.ts)',
  'attempt none lease ended':
    'a lease is refused only when malformed or beyond 4096 attempts: unit tests of leases.ts',
  'attempt starting ack starting':
    'an acknowledgement of what was never reported: only a broken broker sends one',
  'attempt running ack running': 'as above',
  'attempt stopping ack stopping': 'as above',
};

/** What must be reached and was not. */
export function unreached(coverage: Readonly<Record<string, number>>): string[] {
  return expected().filter((name) => !(name in coverage) && !(name in exclusions));
}

/** Excluded, and reached after all: the exclusion is wrong. */
export function reachedExclusions(coverage: Readonly<Record<string, number>>): string[] {
  return Object.keys(exclusions).filter((name) => name in coverage);
}

function expected(): string[] {
  return [
    ...taskMoves.map((move) => `task ${move}`),
    ...survivals.map((phase) => `task survives a restart: ${phase}`),
    ...phaseTransitions.map((transition) => `attempt ${nameOfTransition(transition)}`),
    ...answers,
    ...messageKinds.flatMap((kind) => faults.map((fault) => `${kind} × ${fault}`)),
  ];
}
