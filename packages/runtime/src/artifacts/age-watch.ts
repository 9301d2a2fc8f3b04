/** What nobody has used for as long as its store's owner keeps it goes, also while there is room. */
import type { Alarms, Cancel } from '../clock.ts';
import type { ArtifactStore } from './store.ts';

const lookMs = 600_000;

/** Looks now, and every ten minutes until it is cancelled. */
export function watchAge(
  store: Pick<ArtifactStore, 'letGoUnused'>,
  maxAgeMs: number,
  alarms: Alarms,
): Cancel {
  let cancel: Cancel = () => undefined;
  const look = (): void => {
    // What cannot be removed now is tried again.
    store.letGoUnused(maxAgeMs).catch(() => undefined);
    cancel = alarms.after(lookMs, look);
  };
  look();
  return () => cancel();
}
