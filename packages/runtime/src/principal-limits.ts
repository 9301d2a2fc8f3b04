/**
 * What each principal may have of the grid, as the operator writes it: `{ "default": {…}, "p-…": {…} }`. Who is named has
 * what stands there, and of the rest what `default` says; `none` lifts a limit.
 */
import {
  type PrincipalId,
  type PrincipalLimits,
  type PrincipalLimitTable,
  parseBytes,
  parseCpu,
  type Quota,
} from '@gryphgen/protocol';
import { z } from 'zod';

/** Nobody has more tasks, and no broker more bytes of them. */
const mostTasks = 2_000_000;
const mostBytes = 2 ** 50;
/** Faster than any broker takes them. */
const mostPerSecond = 1_000_000;
const mostCpus = 1_000_000;
const mostPriority = 100;
/** Who may end others' work by raising a priority is for an admin to say. */
const submittersPriority = 0;

function limit(
  least: number,
  most: number,
  expected: string,
  parse = (_: string): number | undefined => undefined,
) {
  const words = `expected ${expected}, or none`;
  return z.union([z.number(), z.string()], words).transform((written, context): number | 'none' => {
    const value = written === 'none' || typeof written === 'number' ? written : parse(written);
    if (value === 'none' || (value !== undefined && value >= least && value <= most)) return value;
    context.addIssue(words);
    return z.NEVER;
  });
}

const whole = (least: number, most = mostTasks) => {
  const expected = `a whole number from ${least} to ${most}`;
  return limit(least, most, expected).refine(
    (value) => value === 'none' || Number.isInteger(value),
    `expected ${expected}, or none`,
  );
};

const size = limit(0, mostBytes, 'a size such as 64MiB', parseBytes);

function cpus(written: string): number | undefined {
  const milli = parseCpu(written);
  return milli === undefined ? undefined : milli / 1000;
}

const limitsSchema = z.strictObject({
  weight: limit(0.001, 1000, 'a number from 0.001 to 1000').optional(),
  queued: whole(0).optional(),
  running: whole(0).optional(),
  submitsPerSecond: limit(0.001, mostPerSecond, `a number from 0.001 to ${mostPerSecond}`).optional(),
  submitBurst: whole(1).optional(),
  bodiesBytes: size.optional(),
  storedBytes: size.optional(),
  highestPriority: whole(-mostPriority, mostPriority).optional(),
  cpu: limit(0, mostCpus, 'a number of CPUs such as 2 or 500m', cpus).optional(),
  memory: size.optional(),
  vram: size.optional(),
  devices: whole(0).optional(),
});
type WrittenLimits = z.infer<typeof limitsSchema>;

const tableSchema = z
  .record(
    z
      .string()
      .regex(/^(default|p-[0-9a-f]{16})$/, 'expected default or a principal as "grid principal ls" lists it'),
    limitsSchema,
  )
  .refine((table) => Object.keys(table).length <= 10_000, 'expected at most 10000 principals');

/** JSON in a variable, an object in a file. */
export const principalLimitsSchema = z.preprocess(readJson, tableSchema);
export type WrittenPrincipalLimits = z.infer<typeof tableSchema>;

function readJson(written: unknown): unknown {
  if (typeof written !== 'string') return written;
  try {
    return JSON.parse(written);
  } catch {
    return written;
  }
}

export function limitTableOf({
  default: everybody = {},
  ...named
}: WrittenPrincipalLimits): PrincipalLimitTable {
  const { highestPriority = submittersPriority, ...forAll } = everybody;
  return {
    everybody: lifted({ ...forAll, highestPriority }),
    // The ceiling of everybody is looked up by role: it is not for admins who have some other limit.
    named: new Map(
      Object.entries(named).map(([id, own]) => [id as PrincipalId, lifted({ ...forAll, ...raised(own) })]),
    ),
  };
}

/** `none` is a ceiling of its own, and not that of everybody. */
function raised(own: WrittenLimits): WrittenLimits {
  return own.highestPriority === 'none' ? { ...own, highestPriority: mostPriority } : own;
}

/** Without those that are `none`; what may be held at once, apart. */
function lifted(written: WrittenLimits): PrincipalLimits {
  const limits = Object.entries(written).filter((one): one is [string, number] => one[1] !== 'none');
  const { cpu, memory, vram, devices, ...rest }: Record<string, number> = Object.fromEntries(limits);
  const quota: Quota = {
    ...(cpu !== undefined && { cpuMilli: Math.round(1000 * cpu) }),
    ...(memory !== undefined && { memoryBytes: memory }),
    ...(vram !== undefined && { vramBytes: vram }),
    ...(devices !== undefined && { devices }),
  };
  return Object.keys(quota).length === 0 ? rest : { ...rest, quota };
}
