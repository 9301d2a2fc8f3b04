/**
 * `grid service install`: the unit and its settings are written, the daemon is enabled and started.
 *
 * 1. Nothing is written before all is known to be as it must be. Again with the same settings, nothing changes and a
 *    daemon that runs goes on; with other settings it is started anew.
 * 2. The unit of the system runs as user gryphgen, whom the home belongs to from then on.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { hasMembership } from '@gryphgen/client';
import { failure, GridError } from '@gryphgen/protocol';
import { type Config, makePrivateFolder, settingVariables } from '@gryphgen/runtime';
import { UsageError } from '../problem.ts';
import { type ServiceState, serviceState } from './service-state.ts';
import type { Systemctl } from './systemctl.ts';
import {
  chosenHome,
  defaultHome,
  deployedUnit,
  packagedRoot,
  programRoot,
  refuseForeign,
  refuseHidden,
  serviceUser,
  type UnitPlace,
} from './unit-place.ts';
import { type DaemonName, dropInText, unitText } from './unit-text.ts';

/** A daemon that is well answers sooner; one that is not says by then what it waits for. */
const startMs = 20_000;

export interface InstallWish {
  readonly place: UnitPlace;
  readonly config: Config;
  /** Flags of the daemon that are no settings. */
  readonly args: readonly string[];
  /** The worker may talk to the Docker engine, where there is one. */
  readonly docker: boolean;
}

export interface ServicePlan {
  readonly place: UnitPlace;
  readonly home: string;
  readonly files: readonly { readonly path: string; readonly text: string }[];
  readonly groups: readonly string[];
}

/** Throws UsageError when it cannot be. */
export function planService({ place, config, args, docker }: InstallWish): ServicePlan {
  const { daemon, scope, unitPath, dropInPath } = place;
  const byDefault = defaultHome(place, config);
  const home = config.origins.home === 'default' ? byDefault : config.home;
  const other = chosenHome(place);
  if (other !== undefined && other !== home)
    throw new UsageError(
      `${place.unit} is there for the grid of ${other}: uninstall it first, or give this one a --name of its own`,
    );
  const isDefaultHome = scope === 'system' && home === byDefault;
  const node = process.execPath;
  const isPackaged = unitPath === null && programRoot === packagedRoot;
  if (scope === 'system') {
    refuseHidden(home, node);
    refuseForeign(home);
  }
  const groups = scope === 'system' && daemon === 'worker' && docker && hasGroup('docker') ? ['docker'] : [];
  const bin = join(programRoot, 'packages', 'cli', 'bin');
  const command = [
    '/usr/bin/perl',
    join(bin, 'notify-socket.pl'),
    node,
    join(bin, 'grid.js'),
    daemon,
    ...args,
  ];
  const text = dropInText({
    scope,
    home,
    stateFolder: isDefaultHome ? place.stateFolder : null,
    command: isPackaged && args.length === 0 ? null : command,
    environment: givenSettings(config),
    groups,
  });
  const unit = unitPath === null ? [] : [{ path: unitPath, text: unitText(deployedUnit(daemon), scope) }];
  return { place, home, files: [...unit, { path: dropInPath, text }], groups };
}

/** A worker works for the grid of its home, and a gateway asks it: one must be there. */
export function needGrid(daemon: DaemonName, home: string): void {
  if (daemon !== 'broker' && !hasMembership(home))
    throw new UsageError(
      `${home} belongs to no grid yet: "grid join TICKET" lets this machine in; or "grid service install broker" makes a grid`,
    );
}

export async function carryOut(plan: ServicePlan, systemctl: Systemctl): Promise<ServiceState> {
  const { place, home, files } = plan;
  if (place.scope === 'system') {
    makeServiceUser();
    giveHome(home);
  } else makePrivateFolder(home);
  const isChanged = files.filter(({ path, text }) => writeUnit(path, text)).length > 0;
  await systemctl.must('daemon-reload');
  await systemctl.must('enable', place.unit);
  const { ok, text, isLate } = await systemctl.ask([isChanged ? 'restart' : 'start', place.unit], startMs);
  const state = await serviceState(place, systemctl);
  if (ok || isLate || state === undefined) return state ?? Promise.reject(new Error(`${place.unit} is gone`));
  return { ...state, words: state.words === '' ? text : state.words };
}

/** What of the settings was given here and now; what stands in the home's config.json is read by the daemon. */
function givenSettings(config: Config): Readonly<Record<string, string>> {
  const names = Object.keys(settingVariables) as (keyof typeof settingVariables)[];
  const given = names.filter((name) => ['flag', 'environment'].includes(config.origins[name]));
  const written = (name: keyof typeof settingVariables): string =>
    name === 'policy' ? resolve(config.policy) : String(config[name]);
  return Object.fromEntries(given.map((name) => [settingVariables[name], written(name)]));
}

/** True when it was not there like this. Throws GridError in words of what keeps it from being written. */
function writeUnit(path: string, text: string): boolean {
  if (existsSync(path) && readFileSync(path, 'utf8') === text) return false;
  try {
    const folder = dirname(path);
    // Of a path that is there but for its end, `recursive` says ENOENT where it cannot write.
    if (!existsSync(folder)) mkdirSync(folder, { recursive: !existsSync(dirname(folder)) });
    writeFileSync(path, text, { mode: 0o644 });
    return true;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    const why = code === 'EROFS' ? 'the file system is read-only' : code;
    throw new GridError(failure('rejected.forbidden', `cannot write ${path}: ${why}`), error);
  }
}

function makeServiceUser(): void {
  if (hasEntry('passwd', serviceUser)) return;
  execFileSync('systemd-sysusers', [join(programRoot, 'deploy', 'sysusers.d', 'gryphgen.conf')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

/** Also what root has written in it, such as the keys of `grid join`. */
function giveHome(home: string): void {
  makePrivateFolder(home);
  if (lstatSync(home).isDirectory())
    execFileSync('chown', ['--recursive', '--no-dereference', `${serviceUser}:${serviceUser}`, home]);
}

function hasGroup(name: string): boolean {
  return hasEntry('group', name);
}

function hasEntry(database: 'passwd' | 'group', name: string): boolean {
  try {
    execFileSync('getent', [database, name], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
