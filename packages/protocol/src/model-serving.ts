/** How instances of a model are started: what decides what they take of a machine, and how fast they are there. */
import { z } from 'zod';
import { limits } from './limits.ts';

export const kvTypes = ['f32', 'f16', 'bf16', 'q8_0', 'q5_1', 'q5_0', 'q4_1', 'q4_0', 'iq4_nl'] as const;

/** llama-server's own. */
export const usualMicroBatchTokens = 512;

export const servingSchema = z.object({
  /** Of each slot. */
  slotTokens: z
    .number()
    .int()
    .min(1)
    .max(2 ** 24),
  /** Requests that one instance answers at a time. */
  slots: z.number().int().min(1).max(limits.instanceSlots),
  /** Of keys and values alike. */
  kvType: z.enum(kvTypes),
  /** Each has a CPU in the ledger; where nothing is said half of the machine's on the host, and one beside a device. */
  threads: z.number().int().min(1).max(limits.instanceThreads).optional(),
  /** Tokens of prompts that are taken up at a time, and of these computed at a time; where nothing is said 2048 and 512. */
  batchTokens: z.number().int().min(1).max(limits.batchTokens).optional(),
  microBatchTokens: z.number().int().min(1).max(limits.batchTokens).optional(),
  /** Where nothing is said the engine decides. */
  flashAttention: z.boolean().optional(),
});
export type Serving = z.infer<typeof servingSchema>;

/** What of it is measured, as far as it is not what is usual. */
export function servingWords({
  slots,
  kvType,
  threads,
  batchTokens,
  microBatchTokens,
  flashAttention,
}: Serving): string {
  return [
    counted(slots, 'slot'),
    ...(threads === undefined ? [] : [counted(threads, 'thread')]),
    ...(batchTokens === undefined && microBatchTokens === undefined
      ? []
      : [`batch ${batchTokens ?? 'usual'}/${microBatchTokens ?? 'usual'}`]),
    ...(flashAttention === undefined ? [] : [`flash attention ${flashAttention ? 'on' : 'off'}`]),
    ...(kvType === 'f16' ? [] : [`cache ${kvType}`]),
  ].join(', ');
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
