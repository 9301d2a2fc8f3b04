/**
 * What executors tell of a service that runs: where others reach it, how well it is (E23).
 *
 * 1. The broker is told of a change of ports or of health at once; of new words alone with the next repetition: it never
 *    hears of each check.
 * 2. One that is unhealthy is ended, and fails by its own doing.
 */
import { type Context, send } from './context.ts';
import type { ServiceState } from './events.ts';
import { type Fence, keyOf } from './fence.ts';
import type { Attempt, WorkerState } from './state.ts';
import { endUnhealthy } from './stops.ts';

/** Nothing acknowledges it: it is told again after so many heartbeats. */
const tellEvery = 10;
/** Of so many with one heartbeat; the rest have their turn with the next, longest untold first. */
const repeated = 256;

export function onServed(context: Context, fence: Fence, service: ServiceState): void {
  const attempt = context.state.attempts.get(keyOf(fence));
  // It may be over, or have been stopped, by the time this is heard.
  if (attempt?.phase !== 'running') return;
  const { health, ports } = service;
  const before = attempt.served;
  attempt.served = {
    ...service,
    seq: (before?.seq ?? 0) + 1,
    toldMono: before?.toldMono ?? Number.NEGATIVE_INFINITY,
  };
  if (before?.ports !== ports || before.health?.state !== health?.state) tell(context, attempt);
  if (health?.state === 'unhealthy') endUnhealthy(context, attempt, health.words);
}

/** What was said in an older session may be lost with it, and a new broker knows nothing. */
export function forgetTold({ attempts }: WorkerState): void {
  for (const { served } of attempts.values()) if (served !== null) served.toldMono = Number.NEGATIVE_INFINITY;
}

export function repeatServed(context: Context): void {
  const { state, now } = context;
  const toldBefore = now.mono - tellEvery * state.timers.heartbeatMs;
  const due = [...state.attempts.values()].filter(
    ({ served, phase }) => served !== null && served.toldMono <= toldBefore && phase !== 'ended',
  );
  if (due.length > repeated) due.sort((a, b) => toldOf(a) - toldOf(b)).length = repeated;
  for (const attempt of due) tell(context, attempt);
}

function toldOf({ served }: Attempt): number {
  return served?.toldMono ?? 0;
}

function tell(context: Context, { fence, served }: Attempt): void {
  if (served === null || context.state.session === null) return;
  const { seq, ports, health } = served;
  served.toldMono = context.now.mono;
  send(context, { kind: 'served', ...fence, seq, ports, health });
}
