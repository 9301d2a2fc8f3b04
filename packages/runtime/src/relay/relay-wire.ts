/**
 * What is said to the relay beside the broker (E35), on the socket of the data endpoint there. Frames that it passes on are
 * those of data-wire.ts, and it reads none of them but an asker's first.
 *
 *   asker → relay    [GR/1, worker, open], then [GR/1, frame]; answered as by the worker itself
 *   worker → relay   [GR/1, join], then [GR/1] as a sign of life, and [GR/1, asker, frame]
 *   relay → worker   [GR/1, alive or end], and [GR/1, asker, frame]; an empty frame: that asker is gone
 */
import { decodeBody, encodeBody } from '@gryphgen/protocol';
import { z } from 'zod';

export const relayMagic = Buffer.from('GR/1');
export const noFrame = Buffer.alloc(0);

const joinSchema = z.object({ kind: z.literal('relay'), grant: z.string().max(2048) });
export type JoinRequest = z.infer<typeof joinSchema>;

export function encodeJoin(grant: string): Uint8Array {
  return encodeBody({ kind: 'relay', grant } satisfies JoinRequest);
}

/** Undefined when it makes no sense. */
export function decodeJoin(frame: Uint8Array): JoinRequest | undefined {
  const read = decodeBody(frame);
  return read.ok ? joinSchema.safeParse(read.value).data : undefined;
}
