/**
 * The values of a task as people write them, in a file and as flags alike: what is expected, in words, and what the text
 * means. Bounds are those of the wire's schemas (protocol/task-spec), which say less well what was wrong.
 */
import {
  collectionWords,
  containerPathWords,
  formatDuration,
  healthBounds,
  imagePattern,
  isCollectionName,
  isContainerPath,
  isDeviceUuid,
  isEnvironmentName,
  isLabelName,
  isModelName,
  isMountName,
  isOutputPath,
  isPortName,
  isRuntimeName,
  isTaskClass,
  leastHostPort,
  limits,
  modelNameWords,
  networks,
  outputPathWords,
  parseBytes,
  parseComputeCapability,
  parseCpu,
  parseDuration,
  pullPolicies,
  type StopSignal,
  scratchMedia,
  stopSignals,
  taskClassWords,
  type Ulimit,
  ulimitNames,
  ulimitSchema,
} from '@gryphgen/protocol';
import { apiKeyLimits, isEndpoint } from '@gryphgen/runtime';

export interface Value<T> {
  /** Follows "expected". */
  readonly expected: string;
  /** Undefined when the text is not of this kind. */
  readonly parse: (text: string) => T | undefined;
}

const maxCpuMilli = 10_000_000;
const dayMs = 86_400_000;
const argumentChars = 128 * 1024;
const pathChars = 4096;
const imageChars = 512;
const gpuNameChars = 128;

export const image = text(
  'an image name such as busybox:latest',
  (value) => value.length <= imageChars && imagePattern.test(value),
);
export const name = text(
  `at most ${limits.nameChars} characters`,
  (value) => value.length <= limits.nameChars,
);
export const model = text(`a model's name, of ${modelNameWords}`, isModelName);
/** More than any model has room for. */
export const modelTokens = integer(1, 2 ** 24);
export const collection = text(collectionWords, isCollectionName);
export const taskClass = text(taskClassWords, isTaskClass);
export const worker = text(
  `a worker's name or id, of 1 to ${limits.nameChars} characters`,
  (value) => value !== '' && value.length <= limits.nameChars,
);
export const gpuName = text(
  `a part of a GPU's name, of 1 to ${gpuNameChars} characters`,
  (value) => value !== '' && value.length <= gpuNameChars,
);
export const gpuUuid = text("a GPU's uuid, as grid node show prints it", isDeviceUuid);
export const workdir = text(
  'an absolute path',
  (value) => value.startsWith('/') && value.length <= pathChars && !value.includes('\0'),
);
export const containerPath = text(containerPathWords, isContainerPath);
export const outputPath = text(outputPathWords, isOutputPath);
export const localPath = text('the path of a file or folder', (path) => path !== '' && !path.includes('\0'));
export const mountName = text('a mount\'s name, of letters, digits, ".", "_" and "-"', isMountName);
export const runtime = text("a runtime's name such as runsc", isRuntimeName);
export const ulimitName = choice(ulimitNames);
export const medium = choice(scratchMedia);
export const network = choice(networks);
export const pull = choice(pullPolicies);
export const stopSignal: Value<StopSignal> = {
  expected: `one of ${stopSignals.join(', ')}`,
  parse: (written) =>
    stopSignals.find(
      (signal) => signal === written.toUpperCase() || signal === `SIG${written.toUpperCase()}`,
    ),
};
export const ulimit: Value<Ulimit> = {
  expected: 'a limit such as 1024, 1024:4096 (soft:hard) or unlimited',
  parse: (written) => {
    const [soft, hard = soft, ...more] = written.split(':').map(bound);
    if (soft === undefined || hard === undefined || more.length > 0) return undefined;
    const parsed = ulimitSchema.safeParse({ soft, hard });
    return parsed.success ? parsed.data : undefined;
  },
};
export const pids = integer(1, 32_768);
export const grace: Value<number> = {
  expected: 'a duration of at most an hour such as 30s',
  parse: (written) => within(parseDuration(written), limits.stopGraceMs),
};
export const user = text('uid or uid:gid in numbers', (value) => /^[0-9]{1,10}(:[0-9]{1,10})?$/.test(value));
export const argument = text(
  `text of at most ${argumentChars / 1024} KiB without a NUL character`,
  (value) => value.length <= argumentChars && !value.includes('\0'),
);
export const key = text(`at most ${limits.keyChars} characters`, (value) => value.length <= limits.keyChars);

export const variableName = text('a name of letters, digits and _', isEnvironmentName);
export const labelName = text('a name of 1 to 63 characters', isLabelName);

export const cpu: Value<number> = {
  expected: 'a number of CPUs such as 2, 0.5 or 500m',
  parse: (written) => within(parseCpu(written), maxCpuMilli),
};
export const size: Value<number> = { expected: 'a size such as 256MiB', parse: parseBytes };
export const sha256: Value<string> = {
  expected: 'the 64 hex digits of a sha-256',
  parse: (value) => (/^[0-9a-f]{64}$/i.test(value) ? value.toLowerCase() : undefined),
};
export const duration: Value<number> = {
  expected: 'a duration such as 90s or 10m',
  parse: (written) => within(parseDuration(written), Number.MAX_SAFE_INTEGER),
};
export const drainDeadline: Value<number> = {
  expected: 'a duration of at most 30 days such as 10m',
  parse: (written) => within(parseDuration(written), limits.drainDeadlineMs),
};
export const drainLength: Value<number> = {
  expected: 'a duration of at most 30 days such as 2h',
  parse: (written) => {
    const ms = within(parseDuration(written), limits.windowMs);
    return ms === 0 ? undefined : ms;
  },
};
export const backoff: Value<number> = {
  expected: 'a duration of at most a day such as 5s',
  parse: (written) => within(parseDuration(written), dayMs),
};
export const computeCapability: Value<number> = {
  expected: 'a compute capability such as 8.6',
  parse: parseComputeCapability,
};
export const gpuCount = integer(1, limits.devices);
export const retries = integer(0, limits.retries);
export const priority = integer(-100, 100);

export const endpoints: Value<readonly string[]> = {
  expected: 'tcp://HOST:PORT or ipc:///PATH, separated by commas',
  parse: (written) => {
    const parts = written.split(',');
    return parts.every(isEndpoint) ? parts : undefined;
  },
};

/** Where a worker's data endpoint is; empty: nowhere. */
export const dataEndpoints: Value<readonly string[]> = {
  expected: `${endpoints.expected}, or none`,
  parse: (written) => (written === 'none' ? [] : endpoints.parse(written)),
};

const maxPort = 65_535;
export const portName = text('a name of lower-case letters, digits and "-"', isPortName);
export const port = integer(1, maxPort);
export const hostPort = integer(leastHostPort, maxPort);
export const urlPath = text(
  'a path such as /health',
  (value) => value.length <= 1024 && /^\/[!-~]*$/.test(value),
);
export const healthInterval = durationWithin(healthBounds.interval);
export const healthTimeout = durationWithin(healthBounds.timeout);
export const healthRetries = integer(...healthBounds.retries);
export const startPeriod = durationWithin(healthBounds.startPeriod);
export const ticketTtl = durationWithin([limits.leastTicketMs, limits.ticketMs]);
export const apiKeyTtl = durationWithin([1000, apiKeyLimits.ttlMs]);

export const principalName = text('a principal such as p-0123456789abcdef', (value) =>
  /^p-[0-9a-f]{16}$/.test(value),
);
export const ticketName = text('a ticket’s id such as ticket-0123456789abcdef', (value) =>
  /^ticket-[0-9a-f]{16}$/.test(value),
);

function durationWithin([least, most]: readonly [number, number]): Value<number> {
  return {
    expected: `a duration from ${formatDuration(least)} to ${formatDuration(most)}`,
    parse: (written) => {
      const value = within(parseDuration(written), most);
      return value !== undefined && value >= least ? value : undefined;
    },
  };
}

export function integer(min: number, max: number): Value<number> {
  return {
    expected: `a whole number from ${min} to ${max}`,
    parse: (written) => {
      const value = /^[+-]?[0-9]{1,16}$/.test(written) ? Number(written) : Number.NaN;
      return value >= min && value <= max ? value : undefined;
    },
  };
}

function bound(written: string): number | undefined {
  if (written === 'unlimited' || written === '-1') return -1;
  return /^[0-9]{1,15}$/.test(written) ? Number(written) : undefined;
}

function choice<T extends string>(choices: readonly T[]): Value<T> {
  return {
    expected: `one of ${choices.join(', ')}`,
    parse: (written) => choices.find((one) => one === written),
  };
}

function text(expected: string, accept: (text: string) => boolean): Value<string> {
  return { expected, parse: (written) => (accept(written) ? written : undefined) };
}

function within(value: number | undefined, max: number): number | undefined {
  return value !== undefined && value <= max ? value : undefined;
}
