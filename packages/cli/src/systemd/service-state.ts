/** How the service of a daemon is, in the words of systemd and its own. */

import type { Systemctl } from './systemctl.ts';
import { installedHome, type UnitPlace } from './unit-place.ts';

export interface ServiceState {
  readonly unit: string;
  readonly scope: UnitPlace['scope'];
  readonly home: string;
  /** As systemd says it: active, activating, failed, inactive, … */
  readonly state: string;
  /** It is started when the machine starts (or this user's manager does). */
  readonly enabled: boolean;
  /** What the daemon said last; empty when it has said nothing. */
  readonly words: string;
  /** Null while it does not run. */
  readonly pid: number | null;
  /** How often systemd has started it anew by itself since it was last started by somebody. */
  readonly restarts: number;
}

const asked = [
  'LoadState',
  'ActiveState',
  'UnitFileState',
  'StatusText',
  'MainPID',
  'NRestarts',
  'Result',
] as const;

/** Undefined when it is not installed. */
export async function serviceState(
  place: UnitPlace,
  systemctl: Systemctl,
): Promise<ServiceState | undefined> {
  const home = installedHome(place);
  const shown = await systemctl.show(place.unit, asked);
  if (home === undefined || shown.LoadState === 'not-found') return undefined;
  const { ActiveState, UnitFileState, StatusText, MainPID, NRestarts, Result } = shown;
  const isWell = Result === 'success' || Result === '';
  return {
    unit: place.unit,
    scope: place.scope,
    home,
    state: ActiveState,
    enabled: UnitFileState === 'enabled',
    words: [...(isWell ? [] : [`ended last by ${Result}`]), ...(StatusText === '' ? [] : [StatusText])].join(
      ': ',
    ),
    pid: MainPID === '0' ? null : Number(MainPID),
    restarts: Number(NRestarts),
  };
}
