/**
 * What a container task asks of its executor. Strict: a worker refuses what it does not know, instead of running the
 * task without it.
 */
import { z } from 'zod';
import { containerPath, fileFields, isWithin, outputFolders, type TaskFiles } from './artifact.ts';
import { imagePattern } from './image-reference.ts';
import { limits } from './limits.ts';
import { healthSchema, portsSchema, serviceProblems } from './service-body.ts';
import { argument, environment } from './task-text.ts';

/** `none`: loopback alone. `bridge`: the engine's network, outwards through the machine. `host`: the machine's own. */
export const networks = ['none', 'bridge', 'host'] as const;
export type Network = (typeof networks)[number];

/** `missing`: an image that is not on the worker is pulled. `always`: its registry is asked each time. */
export const pullPolicies = ['missing', 'always', 'never'] as const;
export type PullPolicy = (typeof pullPolicies)[number];

export const scratchMedia = ['tmpfs', 'disk'] as const;
export type ScratchMedium = (typeof scratchMedia)[number];

/** Those that bound one task without giving it a hold on the machine (no real-time priorities, no niceness). */
export const ulimitNames = [
  'core',
  'cpu',
  'data',
  'fsize',
  'memlock',
  'msgqueue',
  'nofile',
  'nproc',
  'sigpending',
  'stack',
] as const;
export type UlimitName = (typeof ulimitNames)[number];

export const stopSignals = [
  'SIGTERM',
  'SIGINT',
  'SIGQUIT',
  'SIGHUP',
  'SIGUSR1',
  'SIGUSR2',
  'SIGALRM',
  'SIGABRT',
  'SIGWINCH',
  'SIGPWR',
  'SIGKILL',
  'SIGRTMIN+3',
] as const;
export type StopSignal = (typeof stopSignals)[number];

/** Of a container's memory page: less is none. */
const leastScratchBytes = 4096;
const mostOpenFiles = 1_048_576;
const defaultTmpfsBytes = 64 * 1024 * 1024;

export function isMountName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/.test(name);
}

export function isRuntimeName(name: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(name);
}

const limit = z.number().int().min(-1).max(Number.MAX_SAFE_INTEGER);
/** -1 is no limit. */
export const ulimitSchema = z
  .strictObject({ soft: limit, hard: limit })
  .refine(({ soft, hard }) => hard === -1 || (soft !== -1 && soft <= hard), 'soft may not be above hard');
export type Ulimit = z.infer<typeof ulimitSchema>;

export const containerBodySchema = z
  .strictObject(
    {
      image: z.string().max(512).regex(imagePattern, 'expected an image name such as busybox:latest'),
      /** Without it `missing`. */
      pull: z.enum(pullPolicies).optional(),
      command: z.array(argument).max(4096),
      env: environment.default({}),
      workdir: z.string().max(4096).startsWith('/').optional(),
      /** `uid[:gid]`; without it the image's own, or whom the worker's policy names instead of root. */
      user: z
        .string()
        .max(64)
        .regex(/^[0-9]+(:[0-9]+)?$/, 'expected uid or uid:gid in numbers')
        .optional(),
      network: z.enum(networks).default('none'),
      pids: z.number().int().min(1).max(32_768).default(512),
      /** Size of the writable /tmp where nothing else is put there. */
      tmpfsBytes: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(defaultTmpfsBytes),
      /** Folders of the machine that its owner has given a name. */
      mounts: z
        .array(
          z.strictObject({
            name: z.string().refine(isMountName, "expected a mount's name"),
            to: containerPath,
            readOnly: z.boolean().default(true),
          }),
        )
        .max(limits.mounts)
        .optional(),
      /** Writable, empty at the start, gone at the end. Disk is charged as disk, tmpfs as the container's memory. */
      scratch: z
        .strictObject({
          sizeBytes: z.number().int().min(leastScratchBytes).max(Number.MAX_SAFE_INTEGER),
          medium: z.enum(scratchMedia).default('tmpfs'),
          to: containerPath.default('/tmp'),
        })
        .optional(),
      /** Default true. */
      readOnlyRoot: z.boolean().optional(),
      ulimits: z
        .partialRecord(z.enum(ulimitNames), ulimitSchema)
        .refine(({ nofile }) => nofile === undefined || isOpenFiles(nofile), {
          message: `nofile is at most ${mostOpenFiles}`,
        })
        .optional(),
      /** As the engine calls it: runc, runsc, kata. */
      runtime: z.string().refine(isRuntimeName, "expected a runtime's name").optional(),
      /** Instead of the image's own, or SIGTERM. */
      stopSignal: z.enum(stopSignals).optional(),
      ports: portsSchema.optional(),
      health: healthSchema.optional(),
      /** It may begin in a container of its own that was started ahead. */
      warm: z.boolean().optional(),
      ...fileFields,
    },
    {
      error: (issue) =>
        issue.code === 'unrecognized_keys'
          ? `this version of grid does not know ${issue.keys.join(', ')}`
          : undefined,
    },
  )
  .superRefine((body, context) => {
    const clash = clashOf(placesOf(body));
    if (clash !== undefined) context.addIssue({ code: 'custom', message: clash.words });
    for (const { path, words } of serviceProblems(body))
      context.addIssue({ code: 'custom', message: `${path}: ${words}` });
  });
export type ContainerBody = z.infer<typeof containerBodySchema>;

interface Placed extends TaskFiles {
  readonly mounts?: readonly { readonly to: string }[] | undefined;
  readonly scratch?: { readonly to: string } | undefined;
}

/** Where something is put in the container; each its own place. */
export function placesOf({ mounts = [], scratch, inputs = [], outputs = [] }: Placed): readonly string[] {
  const puts = [...mounts, ...(scratch === undefined ? [] : [scratch]), ...inputs];
  return [...puts.map(({ to }) => to), ...outputFolders(outputs)];
}

function isOpenFiles({ soft, hard }: Ulimit): boolean {
  return soft !== -1 && hard !== -1 && hard <= mostOpenFiles;
}

/** Two places of which one would hide the other, or lie in what is another's: the later of them by its index. */
export function clashOf(
  paths: readonly string[],
): { readonly index: number; readonly words: string } | undefined {
  for (const [index, path] of paths.entries()) {
    const other = paths.slice(0, index).find((one) => isWithin(one, path) || isWithin(path, one));
    if (other === path) return { index, words: `${path} is taken twice` };
    if (other !== undefined) return { index, words: `${path} and ${other} lie in one another` };
  }
  return undefined;
}
