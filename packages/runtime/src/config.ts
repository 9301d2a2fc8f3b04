/**
 * What a daemon or a command was told: flag > environment `GRID_*` > `config.json` in `$GRID_HOME` > default, each
 * value with where it came from (`grid config show`). Parsed once, in main; frozen.
 */
import { existsSync, readFileSync } from 'node:fs';
import { homedir, hostname } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { failure, GridError, limits, parseBytes, parseDuration } from '@gryphgen/protocol';
import { z } from 'zod';
import { writePrivateFile } from './atomic-file.ts';
import { principalLimitsSchema } from './principal-limits.ts';
import { brokerSocketPath } from './run-folder.ts';

const maxPort = 65_535;

/** tcp://HOST:PORT, tcp://HOST:* for any free port, or ipc:///PATH. */
export function isEndpoint(text: string): boolean {
  if (text.length > limits.endpointChars) return false;
  const [, port] = /^tcp:\/\/.+:([0-9]+|\*)$/.exec(text) ?? [];
  if (port === undefined) return /^ipc:\/\/\/.+$/.test(text);
  return port === '*' || Number(port) <= maxPort;
}

/** HOST:PORT with a name, an IPv4 address or an IPv6 address in brackets; port 0 is any free one. */
export function readHostPort(text: string): { readonly host: string; readonly port: number } | undefined {
  const [, host, port] = /^(\[[0-9A-Fa-f:.]+\]|[\w.-]{1,253}):([0-9]{1,5})$/.exec(text) ?? [];
  if (host === undefined || Number(port) > maxPort) return undefined;
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
}

const endpoint = z.string().refine(isEndpoint, 'expected tcp://HOST:PORT or ipc:///PATH');
const endpoints = z.array(endpoint).min(1).max(16);

/** `auto` is kept as it is: what it means depends on the machine. */
function autoOr(expected: string, parse: (text: string) => number | undefined) {
  const words = `expected auto or ${expected}`;
  return z.string(words).transform((text, context): number | 'auto' => {
    const value = text === 'auto' ? text : parse(text);
    if (value !== undefined) return value;
    context.addIssue(words);
    return z.NEVER;
  });
}

/** A card that runs cooler is not hot, one that runs hotter is not there any more. */
const deviceC = { least: 40, most: 120 };

function parseDeviceC(text: string): number | undefined {
  const degrees = /^[0-9]{1,3}$/.test(text) ? Number(text) : undefined;
  return degrees === 0 || (degrees !== undefined && degrees >= deviceC.least && degrees <= deviceC.most)
    ? degrees
    : undefined;
}

/** Less holds no question. */
const leastBodyBytes = 1024;

function parseBodyBytes(text: string): number | undefined {
  const bytes = parseBytes(text);
  const isFit = bytes !== undefined && bytes >= leastBodyBytes && bytes <= limits.questionBytes;
  return isFit ? bytes : undefined;
}

/** With less a store reads from the disk again what it has just read; SQLite counts pages of no more. */
const retrievalMemory = { leastBytes: 16 * 1024 ** 2, mostBytes: 1024 ** 4 };

function parseRetrievalMemory(text: string): number | undefined {
  const bytes = parseBytes(text);
  const { leastBytes, mostBytes } = retrievalMemory;
  return bytes !== undefined && bytes >= leastBytes && bytes <= mostBytes ? bytes : undefined;
}

/** Each is a process of the engine, of some 10 MB. */
const mostWarm = 256;

function parseWarm(text: string): number | undefined {
  return /^[0-9]{1,3}$/.test(text) && Number(text) <= mostWarm ? Number(text) : undefined;
}

function parseCount(text: string): number | undefined {
  return /^[1-9][0-9]{0,8}$/.test(text) ? Number(text) : undefined;
}

function isProgramList(text: string): boolean {
  return text === '' || text.split(':').every((program) => isAbsolute(program) || /^[^/\0]+$/.test(program));
}

const settingsSchema = z.strictObject({
  /** Where the broker listens. */
  listen: endpoints,
  /** Where others find it. */
  broker: endpoints,
  /** Where the gateway listens. */
  gatewayListen: z.string().refine((text) => readHostPort(text) !== undefined, 'expected HOST:PORT'),
  /** What the gateway takes as one request's body. */
  gatewayBodyBytes: autoOr('a size from 1KiB to 16MiB', parseBodyBytes),
  /** Whether collections are told which of their files answers came from, and learn from it. */
  ragSignals: z.enum(['on', 'off']),
  /** What this machine is called. */
  name: z.string().min(1).max(256),
  logLevel: z.enum(['debug', 'info', 'warn', 'error', 'silent']),
  /** File that says what tasks may have of this machine. */
  policy: z.string().min(1).max(4096),
  /** What the images that the grid pulls may take of this machine's disk. */
  imagesBytes: autoOr('a size such as 50GiB', parseBytes),
  /** What artifacts may take of this machine's disk: a worker's, and, beside a broker, those that are brought. */
  artifactsBytes: autoOr('a size such as 50GiB', parseBytes),
  /** Those that nobody used for so long go too. 0: however long. */
  artifactsAge: autoOr('a time such as 720h', parseDuration),
  /** With which logins this machine pulls images: a file as `docker login` writes it. Empty: none. */
  registryConfig: z.string().refine((path) => path === '' || isAbsolute(path), 'expected an absolute path'),
  /** This machine takes no new work while it has less free, or a card while it is hotter. 0: however little, or hot. */
  minDiskFree: autoOr('a size such as 2GiB', parseBytes),
  minMemoryFree: autoOr('a size such as 512MiB', parseBytes),
  /** Containers kept ready for tasks that begin warm, and for how long when nobody asks for one. */
  warmContainers: autoOr(`a number up to ${mostWarm}`, parseWarm),
  warmIdle: autoOr('a time such as 10m', parseDuration),
  /** What loads models: llama-servers, by name on the path or by path, the preferred first. Empty: none. */
  llamaServer: z
    .string()
    .max(4096)
    .refine(isProgramList, 'expected names or absolute paths of programs, ":" between them'),
  /** What the broker keeps of tasks that have ended, and of its audit log; what worker and broker keep of logs that have ended. */
  finishedTasks: autoOr('a number of at least 1', parseCount),
  finishedAge: autoOr('a time such as 720h', parseDuration),
  auditBytes: autoOr('a size such as 256MiB', parseBytes),
  auditAge: autoOr('a time such as 720h', parseDuration),
  logsBytes: autoOr('a size such as 1GiB', parseBytes),
  logsAge: autoOr('a time such as 720h', parseDuration),
  /** Of a worker that keeps collections: what it holds in memory of what is on the disk, pages and vectors. */
  retrievalMemory: autoOr('a size from 16MiB to 1TiB', parseRetrievalMemory),
  maxDeviceC: autoOr(`degrees Celsius, 0 or ${deviceC.least} to ${deviceC.most}`, parseDeviceC),
  /** Of the broker: what each principal may have. */
  principalLimits: principalLimitsSchema,
});
export type Settings = z.infer<typeof settingsSchema>;
export type Origin = 'flag' | 'environment' | 'file' | 'default';
export type SettingName = keyof Settings | 'home';

export interface Config extends Readonly<Settings> {
  readonly home: string;
  readonly origins: Readonly<Record<SettingName, Origin>>;
}

export type ConfigResult =
  | { readonly ok: true; readonly config: Config }
  /** Each names the setting, where it came from and what was expected. */
  | { readonly ok: false; readonly problems: readonly string[] };

export interface ConfigSources {
  /** Undefined means not given. */
  readonly flags: { readonly [K in SettingName]?: unknown };
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** How each setting is called in the environment. */
export const settingVariables: Readonly<Record<keyof Settings, string>> = {
  listen: 'GRID_LISTEN',
  broker: 'GRID_BROKER',
  gatewayListen: 'GRID_GATEWAY_LISTEN',
  gatewayBodyBytes: 'GRID_GATEWAY_BODY_BYTES',
  name: 'GRID_NAME',
  logLevel: 'GRID_LOG_LEVEL',
  policy: 'GRID_POLICY',
  imagesBytes: 'GRID_IMAGES_BYTES',
  artifactsBytes: 'GRID_ARTIFACTS_BYTES',
  artifactsAge: 'GRID_ARTIFACTS_AGE',
  registryConfig: 'GRID_REGISTRY_CONFIG',
  minDiskFree: 'GRID_MIN_DISK_FREE',
  minMemoryFree: 'GRID_MIN_MEMORY_FREE',
  maxDeviceC: 'GRID_MAX_DEVICE_C',
  warmContainers: 'GRID_WARM_CONTAINERS',
  warmIdle: 'GRID_WARM_IDLE',
  llamaServer: 'GRID_LLAMA_SERVER',
  finishedTasks: 'GRID_FINISHED_TASKS',
  finishedAge: 'GRID_FINISHED_AGE',
  auditBytes: 'GRID_AUDIT_BYTES',
  auditAge: 'GRID_AUDIT_AGE',
  logsBytes: 'GRID_LOGS_BYTES',
  logsAge: 'GRID_LOGS_AGE',
  retrievalMemory: 'GRID_RETRIEVAL_MEMORY',
  ragSignals: 'GRID_RAG_SIGNALS',
  principalLimits: 'GRID_PRINCIPAL_LIMITS',
};

export function loadConfig({ flags, env }: ConfigSources): ConfigResult {
  const [home, homeOrigin] = homeOf(flags.home, env);
  const file = readConfigFile(join(home, 'config.json'));
  if (typeof file === 'string') return { ok: false, problems: [file] };
  const socket = `ipc://${brokerSocketPath(home)}`;
  const defaults: Settings = {
    listen: [socket],
    broker: [socket],
    gatewayListen: '127.0.0.1:7460',
    gatewayBodyBytes: 'auto',
    name: hostname(),
    logLevel: 'info',
    policy: join(home, 'policy.yaml'),
    imagesBytes: 'auto',
    artifactsBytes: 'auto',
    artifactsAge: 'auto',
    registryConfig: '',
    minDiskFree: 'auto',
    minMemoryFree: 'auto',
    maxDeviceC: 'auto',
    warmContainers: 'auto',
    warmIdle: 'auto',
    llamaServer: 'llama-server',
    finishedTasks: 'auto',
    finishedAge: 'auto',
    auditBytes: 'auto',
    auditAge: 'auto',
    logsBytes: 'auto',
    logsAge: 'auto',
    retrievalMemory: 'auto',
    ragSignals: 'on',
    principalLimits: {},
  };
  const chosen: Record<string, unknown> = {};
  const origins: Record<string, Origin> = { home: homeOrigin };
  const problems = Object.keys(file)
    .filter((name) => !Object.hasOwn(defaults, name))
    .map((name) => `${name} (file): there is no such setting`);
  for (const name of Object.keys(defaults) as (keyof Settings)[]) {
    const [value, origin] = pick(flags[name], env[settingVariables[name]], file[name], defaults[name]);
    origins[name] = origin;
    const wants = Array.isArray(defaults[name]);
    const parsed = settingsSchema.shape[name].safeParse(
      wants && typeof value === 'string' ? value.split(',') : value,
    );
    if (parsed.success) chosen[name] = Object.freeze(parsed.data);
    else problems.push(`${name} (${origin}): ${wordsOf(parsed.error)}`);
  }
  if (problems.length > 0) return { ok: false, problems };
  // Every name of Settings was gone through above.
  return {
    ok: true,
    config: Object.freeze({ ...chosen, home, origins: Object.freeze(origins) }) as unknown as Config,
  };
}

/** The first thing that is wrong, and in which part of the value. */
function wordsOf({ issues: [issue] }: z.ZodError): string {
  const message = issue?.message ?? 'is not valid';
  return typeof issue?.path[0] === 'string' ? `${issue.path.join('.')}: ${message}` : message;
}

/** Writes settings into `config.json` in `home`, beside what stands there. Throws what reading and writing throw. */
export function saveSettings(home: string, settings: { readonly [K in keyof Settings]?: Settings[K] }): void {
  const path = join(home, 'config.json');
  const file = readConfigFile(path);
  if (typeof file === 'string') throw new GridError(failure('rejected.invalid', file));
  writePrivateFile(path, `${JSON.stringify({ ...file, ...settings }, undefined, 2)}\n`);
}

function pick(flag: unknown, variable: unknown, file: unknown, byDefault: unknown): [unknown, Origin] {
  if (flag !== undefined) return [flag, 'flag'];
  if (variable !== undefined && variable !== '') return [variable, 'environment'];
  return file === undefined ? [byDefault, 'default'] : [file, 'file'];
}

/** systemd names a service's folder in STATE_DIRECTORY (StateDirectory=gryphgen: /var/lib/gryphgen). */
function homeOf(flag: unknown, env: ConfigSources['env']): [string, Origin] {
  if (typeof flag === 'string' && flag !== '') return [resolve(flag), 'flag'];
  if (env.GRID_HOME) return [resolve(env.GRID_HOME), 'environment'];
  if (env.STATE_DIRECTORY) return [resolve(env.STATE_DIRECTORY.split(':')[0] ?? ''), 'default'];
  return [join(env.XDG_STATE_HOME || join(homedir(), '.local', 'state'), 'gryphgen'), 'default'];
}

/** The file's settings, or what is wrong with it. */
function readConfigFile(path: string): Record<string, unknown> | string {
  if (!existsSync(path)) return {};
  try {
    const parsed = z.record(z.string(), z.unknown()).safeParse(JSON.parse(readFileSync(path, 'utf8')));
    return parsed.success ? parsed.data : `${path} must hold one JSON object`;
  } catch (error) {
    return `${path}: ${error instanceof Error ? error.message : String(error)}`;
  }
}
