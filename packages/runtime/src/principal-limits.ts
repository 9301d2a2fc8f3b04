/**
 * What each principal may have of the grid, as the operator writes it: `{ "default": {…}, "p-…": {…} }`. Who is named has
 * what stands there, and of the rest what `default` says; `none` lifts a limit.
 */
import {
  type PrincipalId,
  type PrincipalLimits,
  type PrincipalLimitTable,
  parseBytes,
} from '@gryphgen/protocol';
import { z } from 'zod';

/** Nobody has more tasks, and no broker more bytes of them. */
const mostTasks = 2_000_000;
const mostBytes = 2 ** 50;
/** Faster than any broker takes them. */
const mostPerSecond = 1_000_000;

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

const whole = (least: number) => {
  const expected = `a whole number from ${least} to ${mostTasks}`;
  return limit(least, mostTasks, expected).refine(
    (value) => value === 'none' || Number.isInteger(value),
    `expected ${expected}, or none`,
  );
};

const limitsSchema = z.strictObject({
  weight: limit(0.001, 1000, 'a number from 0.001 to 1000').optional(),
  queued: whole(0).optional(),
  running: whole(0).optional(),
  submitsPerSecond: limit(0.001, mostPerSecond, `a number from 0.001 to ${mostPerSecond}`).optional(),
  submitBurst: whole(1).optional(),
  bodiesBytes: limit(0, mostBytes, 'a size such as 64MiB', parseBytes).optional(),
});

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
  return {
    everybody: lifted(everybody),
    named: new Map(
      Object.entries(named).map(([id, own]) => [id as PrincipalId, lifted({ ...everybody, ...own })]),
    ),
  };
}

/** Without those that are `none`. */
function lifted(written: z.infer<typeof limitsSchema>): PrincipalLimits {
  const limits = Object.entries(written).filter(([, value]) => typeof value === 'number');
  return Object.fromEntries(limits) as PrincipalLimits;
}
