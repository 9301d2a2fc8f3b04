/** Which specs live tasks use, and what artifacts they are given with them. */
import { limits } from '@gryphgen/protocol';
import type { BrokerState, Spec } from '../state.ts';

/** An ephemeral task's is its own, and not among `specs`: what it is given is kept for it all the same. */
export function useSpec({ given }: BrokerState, spec: Spec): void {
  spec.refs += 1;
  if (spec.refs > 1) return;
  for (const { digest } of spec.envelope.inputs ?? []) given.set(digest, (given.get(digest) ?? 0) + 1);
}

/** Of a task that has ended: what few use is kept for who sends it again. */
export function releaseSpec(state: BrokerState, spec: Spec): void {
  unuseSpec(state, spec);
  if (spec.refs === 0 && state.specs.size > limits.envelopes) state.specs.delete(spec.hash);
}

export function unuseSpec({ given }: BrokerState, spec: Spec): void {
  spec.refs -= 1;
  if (spec.refs > 0) return;
  for (const { digest } of spec.envelope.inputs ?? []) {
    const left = (given.get(digest) ?? 0) - 1;
    if (left > 0) given.set(digest, left);
    else given.delete(digest);
  }
}
