/** Where the units of this machine are, and those of this program. */
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Config, runFolder } from '@gryphgen/runtime';
import { otherThingIn } from '../daemons/grid-home.ts';
import { UsageError } from '../problem.ts';
import { type DaemonName, deployedFolder, homeOfDropIn, type Scope, unitName } from './unit-text.ts';

/** Of the installation: a checkout, what was unpacked, or /usr/lib/gryphgen. */
export const programRoot = fileURLToPath(new URL('../../../..', import.meta.url)).replace(/\/$/, '');
/** Where the package has it, and the deployed units say it is. */
export const packagedRoot = '/usr/lib/gryphgen';
export const serviceUser = 'gryphgen';
const stateRoot = '/var/lib';

export interface UnitPlace {
  readonly daemon: DaemonName;
  readonly scope: Scope;
  readonly unit: string;
  /** Null where a package brings the unit. */
  readonly unitPath: string | null;
  readonly dropInPath: string;
  /** Of /var/lib, what systemd makes for it. */
  readonly stateFolder: string;
}

export function unitPlace(
  daemon: DaemonName,
  scope: Scope,
  name: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): UnitPlace {
  const folder =
    scope === 'system'
      ? '/etc/systemd/system'
      : join(env.XDG_CONFIG_HOME || join(homedir(), '.config'), 'systemd', 'user');
  const unit = unitName(daemon, name);
  const isPackaged = scope === 'system' && existsSync(join('/usr/lib/systemd/system', unit));
  return {
    daemon,
    scope,
    unit,
    unitPath: isPackaged ? null : join(folder, unit),
    dropInPath: join(folder, `${unit}.d`, 'grid.conf'),
    stateFolder: name === undefined ? deployedFolder : `${deployedFolder}-${name}`,
  };
}

export function deployedUnit(daemon: DaemonName): string {
  return readFileSync(join(programRoot, 'deploy', 'systemd', unitName(daemon, undefined)), 'utf8');
}

/** The home of a service whose owner has named none. */
export function defaultHome({ scope, stateFolder }: UnitPlace, { home }: Config): string {
  return scope === 'system' ? join(stateRoot, stateFolder) : home;
}

/** Of the service that `grid service install` made; undefined when it made none. */
export function chosenHome({ dropInPath }: UnitPlace): string | undefined {
  return existsSync(dropInPath) ? homeOfDropIn(readFileSync(dropInPath, 'utf8')) : undefined;
}

/** Both work with the key that the home has for its machine. Throws UsageError while the other is installed with it. */
export function refuseSecondWorker(
  { daemon, scope }: UnitPlace,
  home: string,
  { name, env }: { name: string | undefined; env: Parameters<typeof unitPlace>[3] },
): void {
  if (daemon !== 'worker' && daemon !== 'retrieval') return;
  const other = unitPlace(daemon === 'worker' ? 'retrieval' : 'worker', scope, name, env);
  if (chosenHome(other) !== home) return;
  const wanted =
    'one service works for the grid on this machine: "grid service install worker --retrieval" does both';
  throw new UsageError(
    `${other.unit} is there for ${home} already: ${wanted}, after "grid service uninstall ${other.daemon}${name === undefined ? '' : ` --name ${name}`}"`,
  );
}

/** Undefined when there is no such unit. */
export function installedHome(place: UnitPlace): string | undefined {
  const chosen = chosenHome(place);
  if (chosen !== undefined) return chosen;
  const isThere = place.unitPath === null || existsSync(place.unitPath);
  return isThere && place.scope === 'system' ? join(stateRoot, place.stateFolder) : undefined;
}

/** What the unit of the system, hardened, has no sight of. */
const hidden = ['/home', '/root', '/run/user', '/tmp', '/var/tmp'];

/** Throws UsageError when the service's user could not use them. */
export function refuseHidden(home: string, node: string): void {
  const isBelow = (path: string): boolean =>
    hidden.some((folder) => !relative(folder, path).startsWith('..'));
  for (const path of [programRoot, node])
    if (isBelow(path))
      throw new UsageError(
        `${path} is out of reach for a service of the system: install the package, or unpack grid below /opt; or run this without sudo, for a unit of your own (a machine that joins: --no-service)`,
      );
  if (isBelow(home))
    throw new UsageError(
      `${home} is out of reach for a service of the system: leave GRID_HOME out (its state is then in ${stateRoot}/gryphgen), or run this without sudo, for a unit of your own`,
    );
  if (relative(home, runFolder(home)).startsWith('..'))
    throw new UsageError(`${home} is too long a path for the sockets in it: use a shorter GRID_HOME`);
}

/** Throws UsageError when the home is no folder of a grid's own: the service's user is given all of it. */
export function refuseForeign(home: string): void {
  const other = otherThingIn(home);
  const isTop = dirname(home) === '/' && !existsSync(join(home, 'keys'));
  if (other !== undefined || isTop)
    throw new UsageError(
      `${home} is no folder of a grid's own${other === undefined ? '' : ` (it holds ${other})`}: the service's user would be given all of it; leave GRID_HOME out, or name a new folder`,
    );
}
