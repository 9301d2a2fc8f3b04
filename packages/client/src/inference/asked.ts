/**
 * How long a question is, and how long its answer may be, by which the broker foretells where that ends first. Nothing of its text.
 *
 * 1. Nothing is parsed: the fields beside a prompt stand before or behind it. Within a text the quotes around a name are escaped.
 */
import type { Envelope } from '@gryphgen/protocol';

const lookedBytes = 4096;
/** In the words of each API. */
const bounds = ['max_tokens', 'max_completion_tokens', 'max_output_tokens', 'n_predict'];
const most = 2 ** 31 - 1;

export function askedOf(request: Uint8Array): NonNullable<Envelope['asks']> {
  const bytes = Buffer.from(request.buffer, request.byteOffset, request.byteLength);
  const parts = [bytes.subarray(-lookedBytes), bytes.subarray(0, lookedBytes)];
  for (const part of parts) {
    const maxTokens = boundIn(part.toString('latin1'));
    if (maxTokens !== undefined) return { promptBytes: request.length, maxTokens };
  }
  return { promptBytes: request.length };
}

function boundIn(text: string): number | undefined {
  for (const name of bounds) {
    const at = text.lastIndexOf(`"${name}":`);
    const [, found] =
      at < 0 ? [] : (/^"[a-z_]+": {0,4}([0-9]{1,10})(?![0-9.e])/.exec(text.slice(at, at + 64)) ?? []);
    const value = Number(found);
    if (found !== undefined && value > 0) return Math.min(value, most);
  }
  return undefined;
}
