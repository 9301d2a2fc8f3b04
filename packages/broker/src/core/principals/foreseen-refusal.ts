/** What a submission is refused for that can be told before it is one: a dry run tells the same. */
import type { Failure } from '@gryphgen/protocol';
import type { SubmittedSpec } from '../events.ts';
import { refusalByModel } from '../models/model-orders.ts';
import type { BrokerState } from '../state.ts';
import { beyondAlone } from './quotas.ts';
import { beyond, refusalByLimits, type Submitter } from './shares.ts';

export function foreseenRefusal(
  state: BrokerState,
  submitter: Submitter,
  spec: Pick<SubmittedSpec, 'envelope' | 'bodyBytes'>,
): Failure | undefined {
  const { principal } = submitter;
  const why = refusalByModel(state, spec.envelope) ?? refusalByLimits(state, submitter, spec);
  if (why !== undefined) return why;
  const alone = beyondAlone(state, principal, spec.envelope.resources);
  return alone === undefined ? undefined : beyond(principal, alone);
}
