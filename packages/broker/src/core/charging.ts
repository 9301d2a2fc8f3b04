/**
 * What the ledger holds for a task: what it asks for, or what its class was seen to need, if that is more. The amount is a
 * part of the decision, so that a replay holds the same, whatever was learned since.
 */
import { type Envelope, formatBytes, type Resources } from '@gryphgen/protocol';
import { charged, fitsSomewhere } from '@gryphgen/scheduler';
import { classOf } from './learning.ts';
import type { BrokerState } from './state.ts';

/** The envelope as it is placed: the very one where nothing more is charged. */
export function chargedAs(state: BrokerState, envelope: Envelope): Envelope {
  const needed = neededBy(state, envelope);
  return needed === envelope || fitsSomewhere(needed, state.views) ? needed : envelope;
}

/** Why another amount is charged than is asked for, or not though more is needed; empty where neither is so. */
export function chargeWords(state: BrokerState, envelope: Envelope): string {
  const needed = neededBy(state, envelope);
  if (needed === envelope) return '';
  const more = moreWords(needed.resources, envelope.resources);
  return fitsSomewhere(needed, state.views)
    ? `charged ${more}, as its class was seen to need`
    : `its class was seen to need ${more}, which no machine that takes tasks has: what it asks for counts`;
}

function neededBy({ learned }: BrokerState, envelope: Envelope): Envelope {
  const taskClass = classOf(envelope);
  const { runs } = learned;
  return charged(envelope, { memory: runs.need(taskClass, 'memory'), vram: runs.need(taskClass, 'vram') });
}

function moreWords(needed: Resources, asked: Resources): string {
  const parts: string[] = [];
  if (needed.memoryBytes > asked.memoryBytes)
    parts.push(`${formatBytes(needed.memoryBytes)} memory (${formatBytes(asked.memoryBytes)} asked)`);
  if (needed.gpu?.kind === 'part' && asked.gpu?.kind === 'part' && needed.gpu.vramBytes > asked.gpu.vramBytes)
    parts.push(`${formatBytes(needed.gpu.vramBytes)} VRAM (${formatBytes(asked.gpu.vramBytes)} asked)`);
  return parts.join(' and ');
}
