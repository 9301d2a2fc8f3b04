/** Texts that go into a program: arguments and environments. */
import { z } from 'zod';
import { environmentMap } from './string-map.ts';

const noNul = (text: string) => !text.includes('\0');
export const argument = z
  .string()
  .max(128 * 1024)
  .refine(noNul, { message: 'must not hold a NUL character' });
export const environment = environmentMap(argument);
