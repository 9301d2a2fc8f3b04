/**
 * The worker as a function: one event in, effects out. Deterministic: the same state, event and time give the same
 * effects in the same order.
 *
 * Rules of docs/internals/exchanges.md kept here: E2, E4, E8–E12, E15, E23, E41.
 */
import type { ToWorker } from '@gryphgen/protocol';
import type { Context } from './context.ts';
import type { WorkerEffect } from './effects.ts';
import type { Now, WorkerEvent } from './events.ts';
import { onAdopted, onExited, onStarted, onStartFailed } from './executions.ts';
import { onTick, sendReport } from './heartbeats.ts';
import { onLease } from './leases.ts';
import { onDevicesSeen } from './overuse.ts';
import { onServed } from './serving.ts';
import { onHeartbeatAck, onResultAck, onSessionClosed, onSessionOpened } from './sessions.ts';
import type { WorkerState } from './state.ts';
import { onRecall, onStop } from './stops.ts';
import { noteFetched, onUsed } from './use.ts';

export function stepWorker(state: WorkerState, event: WorkerEvent, now: Now): WorkerEffect[] {
  const context: Context = { state, now, effects: [] };
  switch (event.kind) {
    case 'sessionOpened':
      onSessionOpened(context, event.session, event.epoch, event.timers);
      break;
    case 'sessionClosed':
      onSessionClosed(context);
      break;
    case 'message':
      onMessage(context, event.session, event.message);
      break;
    case 'adopted':
      onAdopted(context, event.attempts);
      break;
    case 'started':
      onStarted(context, event.fence);
      break;
    case 'exited':
      onExited(context, event.fence, event.exit);
      break;
    case 'used':
      onUsed(context, event.fence, event.reading);
      break;
    case 'served':
      onServed(context, event.fence, event.service);
      break;
    case 'startFailed':
      onStartFailed(context, event.fence, event.failure);
      break;
    case 'reportChanged':
      state.report = event.report;
      state.reportSeq += 1;
      sendReport(context);
      break;
    case 'devicesSeen':
      onDevicesSeen(context, event.devices);
      break;
    case 'tick':
      if (event.fetched !== undefined) noteFetched(state, event.fetched);
      onTick(context);
      break;
    default:
      event satisfies never;
  }
  return context.effects;
}

function onMessage(context: Context, sessionId: string, message: ToWorker): void {
  const { session } = context.state;
  if (session === null || session.id !== sessionId) return; // E2
  switch (message.kind) {
    case 'lease':
      onLease(context, session, message);
      break;
    case 'stop':
      onStop(context, session, message);
      break;
    case 'recall':
      onRecall(context, message);
      break;
    case 'resultAck':
      onResultAck(context, message);
      break;
    case 'heartbeatAck':
      onHeartbeatAck(context, session, message);
      break;
    case 'bye':
      onSessionClosed(context);
      context.effects.push({ kind: 'leaveSession', why: 'the broker said goodbye' });
      break;
    case 'credit': // the link's
    case 'voucher': // the link's
    case 'reply': // a worker asks nothing
    case 'revoked': // the data endpoint's
      break;
    default:
      message satisfies never;
  }
}
