import type { Alarms } from '@gryphgen/runtime';

/** Resolves after `ms`, or when the signal is aborted. */
export function pause(alarms: Alarms, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const cancel = alarms.after(ms, done);
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });
}
