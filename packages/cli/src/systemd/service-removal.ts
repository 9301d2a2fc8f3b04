/**
 * `grid service uninstall`: the daemon is stopped and disabled, what `install` wrote is removed.
 *
 * 1. State stays, unless it is to be purged; then its service's user goes with the last home.
 * 2. Processes that a worker ran end with it: nobody would come for them. Containers run on, as after `grid down`.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { failure, GridError } from '@gryphgen/protocol';
import { removeRunFolder } from '@gryphgen/runtime';
import type { Systemctl } from './systemctl.ts';
import {
  installedHome,
  packagedRoot,
  programRoot,
  serviceUser,
  type UnitPlace,
  unitPlace,
} from './unit-place.ts';
import { daemons } from './unit-text.ts';

export interface Removal {
  readonly home: string;
  readonly purged: boolean;
}

/** Undefined when there was nothing to uninstall. `name` as of `place`. */
export async function uninstall(
  place: UnitPlace,
  systemctl: Systemctl,
  { purge, name, env }: { purge: boolean; name: string | undefined; env: Parameters<typeof unitPlace>[3] },
): Promise<Removal | undefined> {
  const home = installedHome(place);
  if (home === undefined) return undefined;
  if (purge) await refuseInUse(place, systemctl, home, { name, env });
  await systemctl.must('disable', '--now', place.unit);
  rmSync(place.dropInPath, { force: true });
  removeIfEmpty(dirname(place.dropInPath));
  if (place.unitPath !== null) rmSync(place.unitPath, { force: true });
  await systemctl.must('daemon-reload');
  // One that had failed would be listed on; one that had not is an error to systemctl.
  await systemctl.ask(['reset-failed', place.unit]);
  if (place.daemon === 'worker') {
    const { endProcesses } = await import('@gryphgen/worker');
    await endProcesses(home);
  }
  if (purge) forget(place, home);
  return { home, purged: purge };
}

/** Throws GridError `rejected.state` while the other daemon is installed with the same home. */
async function refuseInUse(
  place: UnitPlace,
  systemctl: Systemctl,
  home: string,
  { name, env }: { name: string | undefined; env: Parameters<typeof unitPlace>[3] },
): Promise<void> {
  for (const daemon of daemons) {
    if (daemon === place.daemon) continue;
    const other = unitPlace(daemon, place.scope, name, env);
    if (installedHome(other) !== home) continue;
    const { ActiveState, UnitFileState } = await systemctl.show(other.unit, ['ActiveState', 'UnitFileState']);
    if (['inactive', 'failed'].includes(ActiveState) && UnitFileState !== 'enabled') continue;
    const command = `grid service uninstall ${daemon}${name === undefined ? '' : ` --name ${name}`}`;
    const words = `${home} is the state of ${other.unit} too: "${command}" first`;
    throw new GridError(failure('rejected.state', words));
  }
}

function forget(place: UnitPlace, home: string): void {
  // Only what is the home of a grid: a wrong one would be somebody's folder.
  if (existsSync(join(home, 'keys'))) rmSync(home, { recursive: true, force: true });
  removeRunFolder(home);
  // A package has its own way with the user.
  if (place.scope === 'user' || programRoot === packagedRoot) return;
  if (readdirSync('/etc/systemd/system').some((name) => name.startsWith('gryphgen-'))) return;
  execFileSync('userdel', [serviceUser], { stdio: ['ignore', 'ignore', 'inherit'] });
}

function removeIfEmpty(folder: string): void {
  if (existsSync(folder) && readdirSync(folder).length === 0) rmdirSync(folder);
}
