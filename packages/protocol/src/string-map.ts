/** Maps from text to text that people write: labels, environments. */
import { z } from 'zod';
import { limits } from './limits.ts';

/** It would change what an object is: no frame may carry it, and a record would leave it out without a word. */
const forbiddenKey = '__proto__';

const isAllowed = (map: unknown): boolean =>
  typeof map !== 'object' || map === null || !Object.hasOwn(map, forbiddenKey);

function stringMap(
  isName: (name: string) => boolean,
  expected: string,
  value: z.ZodType<string>,
): z.ZodType<Record<string, string>> {
  return z
    .unknown()
    .refine(isAllowed, { message: `may not have the key ${forbiddenKey}`, abort: true })
    .pipe(z.record(z.string().refine(isName, { message: expected }), value));
}

export function isLabelName(name: string): boolean {
  return name.length > 0 && name.length <= 63 && name !== forbiddenKey;
}

export const labelMap = stringMap(
  isLabelName,
  "a label's name is 1 to 63 characters",
  z.string().max(limits.nameChars),
).refine((map) => Object.keys(map).length <= limits.labels, { message: `at most ${limits.labels} labels` });

export function isEnvironmentName(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && name !== forbiddenKey;
}

export function environmentMap(value: z.ZodType<string>): z.ZodType<Record<string, string>> {
  return stringMap(isEnvironmentName, 'an environment name is letters, digits and _', value);
}
