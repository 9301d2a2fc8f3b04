/**
 * Hashes of ever longer beginnings of a prompt, by which it goes to where such a beginning was answered before (the broker chooses the
 * worker by `prefix` in the envelope, the worker one of its instances): of a chat after each message, of a text at lengths that double. The text cannot be had from them.
 *
 * 1. Beginnings that are the same have the same hash, whatever follows and whoever asks.
 * 2. There are `limits.prefixes` at most: of a long chat the first and the last ones.
 */
import { createHash, type Hash } from 'node:crypto';
import { limits } from '@gryphgen/protocol';
import { z } from 'zod';
import { parseJson } from './json.ts';

const firstChars = 256;
const hashChars = 16;

/** What stands before all messages, and the messages, in the words of each API. */
const promptSchema = z.object({
  system: z.unknown().optional(),
  instructions: z.unknown().optional(),
  tools: z.unknown().optional(),
  messages: z.array(z.unknown()).optional(),
  input: z.union([z.string(), z.array(z.unknown())]).optional(),
  prompt: z.string().optional(),
});

/** Empty where there is none to be seen. */
export function prefixesOf(request: Uint8Array): readonly string[] {
  const read = promptIn(request);
  if (read === undefined) return [];
  const { system, instructions, tools, messages, input, prompt } = read;
  const hash = createHash('sha256').update(JSON.stringify([system, instructions, tools]));
  const listed = messages ?? (Array.isArray(input) ? input : undefined);
  if (listed !== undefined) return someOf(listed.map((message) => after(hash, JSON.stringify(message))));
  const text = prompt ?? (typeof input === 'string' ? input : '');
  const found: string[] = [];
  for (let from = 0, to = firstChars; to <= text.length; from = to, to *= 2)
    found.push(after(hash, text.slice(from, to)));
  return someOf(found);
}

function after(hash: Hash, more: string): string {
  hash.update(more).update('\0');
  return hash.copy().digest('hex').slice(0, hashChars);
}

function someOf(found: readonly string[]): readonly string[] {
  const { prefixes } = limits;
  return found.length <= prefixes ? found : [...found.slice(0, 1), ...found.slice(1 - prefixes)];
}

function promptIn(request: Uint8Array): z.infer<typeof promptSchema> | undefined {
  // Of what is none the model's server says what is wrong with it.
  return promptSchema.safeParse(parseJson(new TextDecoder().decode(request))).data;
}
