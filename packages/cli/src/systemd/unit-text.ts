/**
 * What stands in the units of a machine. The unit itself is that of deploy/systemd, word for word; what is different
 * here (where the program is, whose home, which settings) is a drop-in beside it, so that a package can bring a new unit
 * and leave the settings alone.
 */
import { UsageError } from '../problem.ts';

export const daemons = ['broker', 'worker', 'retrieval', 'gateway'] as const;
export type DaemonName = (typeof daemons)[number];

/** Of the system's manager, or of this user's. */
export type Scope = 'system' | 'user';

/** In deploy/systemd: the unit of a user ends here. */
const systemOnly = '\n# What follows only the system';

/** `deployed`: the text in deploy/systemd. */
export function unitText(deployed: string, scope: Scope): string {
  if (scope === 'system') return deployed;
  const [own = ''] = deployed.split(systemOnly);
  return `${own}\n[Install]\nWantedBy=default.target\n`;
}

/** Undefined stands for the one that has no name of its own. */
export function unitName(daemon: DaemonName, name: string | undefined): string {
  return `gryphgen-${daemon}${name === undefined ? '' : `-${name}`}.service`;
}

export interface DropIn {
  readonly scope: Scope;
  readonly home: string;
  /** Of /var/lib, where systemd makes the home; null where the home is elsewhere. */
  readonly stateFolder: string | null;
  /** What is run, where it is not what the deployed unit runs. */
  readonly command: readonly string[] | null;
  readonly environment: Readonly<Record<string, string>>;
  readonly groups: readonly string[];
}

/** What the deployed units call theirs. */
export const deployedFolder = 'gryphgen';
const heading = '# Written by "grid service install" for the home ';

/** Throws UsageError for what no line of a unit can hold. */
export function dropInText({ scope, home, stateFolder, command, environment, groups }: DropIn): string {
  const isOwnFolder = stateFolder === null;
  const settings = isOwnFolder ? { GRID_HOME: home, ...environment } : environment;
  const lines = [
    `${heading}${JSON.stringify(home)}: the next install replaces it.`,
    '[Service]',
    // The empty one takes back what the unit says.
    ...(command === null ? [] : ['ExecStart=', `ExecStart=${command.map(quotedArgument).join(' ')}`]),
    ...(scope === 'system' && stateFolder !== deployedFolder
      ? ['StateDirectory=', ...(isOwnFolder ? [] : [`StateDirectory=${stateFolder}`])]
      : []),
    ...(scope === 'system' && isOwnFolder ? [`ReadWritePaths=${quoted(home)}`] : []),
    ...Object.entries(settings).map(([name, value]) => `Environment=${quoted(`${name}=${value}`)}`),
    ...groups.map((group) => `SupplementaryGroups=${group}`),
  ];
  return `${lines.join('\n')}\n`;
}

/** Undefined when `grid service install` has not written it. */
export function homeOfDropIn(text: string): string | undefined {
  const [, json] = /^# Written by "grid service install" for the home (".*"): /.exec(text) ?? [];
  const home: unknown = json === undefined ? undefined : JSON.parse(json);
  return typeof home === 'string' ? home : undefined;
}

/** A `%` begins a specifier everywhere in a unit. */
function quoted(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(text))
    throw new UsageError(
      `${JSON.stringify(text)} cannot stand in a unit of systemd: it has control characters`,
    );
  return `"${text.replaceAll(/["\\]/g, '\\$&').replaceAll('%', '%%')}"`;
}

/** In a command line, `$` begins a variable as well. */
function quotedArgument(text: string): string {
  return quoted(text).replaceAll('$', '$$$$');
}
