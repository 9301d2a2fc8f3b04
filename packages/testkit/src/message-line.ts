/** Messages as one line of a trace. */
import { type Decision, decided } from '@gryphgen/broker';
import type { Message } from '@gryphgen/protocol';

/** The kind, and what names it. */
export function describe(message: Message): string {
  const { kind } = message;
  if ('task' in message) {
    const attempt = 'attempt' in message ? `.${message.attempt}` : '';
    const epoch = 'epoch' in message ? ` e${message.epoch}` : '';
    const number =
      'leaseSeq' in message ? ` #${message.leaseSeq}` : 'seq' in message ? ` #${message.seq}` : '';
    const state = 'state' in message ? ` ${message.state}` : '';
    const why =
      'failure' in message && message.failure
        ? ` ${message.failure.code}`
        : 'reason' in message
          ? ` ${message.reason}`
          : '';
    return `${kind} t${message.task}${attempt}${epoch}${number}${state}${why}`;
  }
  if (kind === 'heartbeat')
    return `heartbeat ${message.seq} [${message.attempts.map(([t, a]) => `${t}.${a}`).join(' ')}]`;
  if (kind === 'request') return `request ${message.id} ${message.op} ${JSON.stringify(message.args)}`;
  if (kind === 'hello' && message.peer.kind === 'worker') {
    const held = message.peer.attempts.map(
      ({ task, attempt, phase, epoch }) => `${task}.${attempt}e${epoch} ${phase}`,
    );
    return `hello [${held.join(', ')}]`;
  }
  if (kind === 'watch') return `watch ${message.tasks.join(' ')}`;
  if ('seq' in message)
    return `${kind} ${message.seq}${'failure' in message ? ` ${message.failure.code}` : ''}`;
  return 'id' in message ? `${kind} ${message.id}` : kind;
}

const decisionNames = Object.keys(decided);

export function describeDecision([kind, ...rest]: Decision): string {
  const what = kind === decided.envelope ? String(rest[0]).slice(0, 8) : JSON.stringify(rest);
  return `${decisionNames[kind] ?? kind} ${what}`;
}

const toBroker = [
  'knock',
  'hello',
  'heartbeat',
  'submit',
  'watch',
  'request',
  'started',
  'served',
  'result',
  'report',
] as const;
const fromBroker = [
  'challenge',
  'welcome',
  'refusal',
  'helloAgain',
  'heartbeatAck',
  'credit',
  'accepted',
  'refused',
  'finished',
  'changed',
  'reply',
  'lease',
  'resultAck',
  'stop',
  'recall',
  'revoked',
] as const;

/**
 * Every kind there is on the wire, but the goodbyes of an orderly end and vouchers: in the simulation nobody leaves in order,
 * and no broker has another key.
 */
export const messageKinds: readonly Message['kind'][] = [...toBroker, ...fromBroker];
