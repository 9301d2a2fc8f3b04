/**
 * What the ledger holds for a task: what it asks for, or what its class was seen to need, if that is more. The amount is a
 * part of the decision, so that a replay holds the same, whatever was learned since.
 */
import { type Envelope, formatBytes, type Resources } from '@gryphgen/protocol';
import {
  boundedByAsked,
  charged,
  fitsSomewhere,
  type NeedEstimate,
  type Needs,
  type Shape,
} from '@gryphgen/scheduler';
import { classOf, inputBytesOf } from '../learning.ts';
import type { BrokerState } from '../state.ts';
import { shutFor } from './windows.ts';

/** The envelope as it is placed: the very one where nothing more is charged, and nothing is planned that keeps it off. */
export function chargedAs(state: BrokerState, envelope: Envelope): Envelope & Pick<Shape, 'shut'> {
  const needed = neededBy(state, envelope);
  const placed = needed === envelope || fitsSomewhere(needed, state.views) ? needed : envelope;
  const shut = shutFor(state, envelope);
  return shut.length === 0 ? placed : { ...placed, shut };
}

/** Why another amount is charged than is asked for, or not though more is needed; empty where neither is so. */
export function chargeWords(state: BrokerState, envelope: Envelope): string {
  const needed = neededBy(state, envelope);
  const lacking = lackWords(needsOf(state, envelope).memory, envelope.resources.memoryBytes);
  if (needed === envelope) return lacking;
  const more = moreWords(needed.resources, envelope.resources);
  const words = fitsSomewhere(needed, state.views)
    ? `charged ${more}, as its class was seen to need`
    : `its class was seen to need ${more}, which no machine that takes tasks has: what it asks for counts`;
  return lacking === '' ? words : `${words}; ${lacking}`;
}

/** Of runs that were ended at the limit that this one has too: it is the user's, and nothing raises it. */
function lackWords(memory: NeedEstimate | undefined, limitBytes: number): string {
  if (memory === undefined || limitBytes === 0 || memory.lackBytes <= limitBytes) return '';
  const seems = formatBytes(Math.ceil(memory.lackBytes));
  return `runs of its class were ended for want of memory and seem to need ${seems}, while it may hold ${formatBytes(limitBytes)}: submit it with --memory ${seems.replace(' ', '')}`;
}

function neededBy(state: BrokerState, envelope: Envelope): Envelope {
  // What it takes was planned from its file, for the place that it is to have.
  if (envelope.kind === 'instance') return envelope;
  const needs = needsOf(state, envelope);
  const { corrections } = state.policies.inForce;
  const needed = charged(envelope, needs, corrections);
  const teller = needs.memory?.teller ?? needs.vram?.teller;
  if (needed === envelope || teller === undefined) return needed;
  // By the word of one worker alone no other is barred.
  return fitsSomewhere(envelope, state.views, teller)
    ? charged(envelope, boundedByAsked(envelope, needs), corrections)
    : needed;
}

function needsOf({ learned }: BrokerState, envelope: Envelope): Needs {
  const taskClass = classOf(envelope);
  const inputBytes = inputBytesOf(envelope);
  const { runs } = learned;
  return {
    memory: runs.need(taskClass, 'memory', inputBytes),
    vram: runs.need(taskClass, 'vram', inputBytes),
  };
}

function moreWords(needed: Resources, asked: Resources): string {
  const parts: string[] = [];
  if (needed.memoryBytes > asked.memoryBytes)
    parts.push(`${formatBytes(needed.memoryBytes)} memory (${formatBytes(asked.memoryBytes)} asked)`);
  if (needed.gpu?.kind === 'part' && asked.gpu?.kind === 'part' && needed.gpu.vramBytes > asked.gpu.vramBytes)
    parts.push(`${formatBytes(needed.gpu.vramBytes)} VRAM (${formatBytes(asked.gpu.vramBytes)} asked)`);
  return parts.join(' and ');
}
