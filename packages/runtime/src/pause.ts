/** Time that is let pass, and what ends it early. */
import type { Alarms } from './clock.ts';

/** Resolves after `ms`, or when the signal is aborted. */
export function pause(alarms: Alarms, ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const cancel = alarms.after(ms, done);
    signal?.addEventListener('abort', done);
    if (signal?.aborted) done();
  });
}

/** Resolves when the signal is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
