import { decodeBody, encodeBody } from '@gryphgen/protocol';
import { describe, expect, it } from 'vitest';
import { decodeChunk, decodeInput, encodeChunk, encodeInput } from './data-bytes.ts';
import { decodeDataAnswer, decodeDataRequest } from './data-wire.ts';

const bytes = new Uint8Array([1, 2, 3]);
const offsets = [0, 1, 65_536, 0xffff_ffff, 0x1_0000_0000, Number.MAX_SAFE_INTEGER];

describe('bytes on a data endpoint', () => {
  it('are read by any reader of MessagePack, as what they are', () => {
    expect(decodeBody(encodeInput(bytes))).toEqual({ ok: true, value: { kind: 'input', bytes } });
    for (const offset of offsets)
      expect(decodeBody(encodeChunk(offset, bytes))).toEqual({
        ok: true,
        value: { kind: 'chunk', offset, bytes },
      });
  });

  it('come back as they were, none included', () => {
    expect(decodeInput(encodeInput(bytes))).toEqual(bytes);
    expect(decodeInput(encodeInput(new Uint8Array(0)))).toEqual(new Uint8Array(0));
    for (const offset of offsets) expect(decodeChunk(encodeChunk(offset, bytes))).toEqual({ offset, bytes });
  });

  it('are read from an older peer too, which writes them in another way', () => {
    const input = { kind: 'input', bytes } as const;
    const chunk = { kind: 'chunk', offset: 7, bytes, stream: 'stderr' } as const;
    expect(decodeInput(Buffer.from(encodeBody(input)))).toBeUndefined();
    expect(decodeDataRequest(encodeBody(input))).toEqual(input);
    expect(decodeDataAnswer(encodeBody(chunk))).toEqual(chunk);
  });

  it('are not believed where a frame is cut, too long, or counts beyond what is safe', () => {
    for (const frame of [encodeInput(bytes), encodeChunk(1, bytes)])
      for (let length = 0; length < frame.length; length += 1) {
        const cut = frame.subarray(0, length);
        expect([decodeInput(cut), decodeChunk(cut)]).toEqual([undefined, undefined]);
        expect([decodeDataRequest(cut), decodeDataAnswer(cut)]).toEqual([undefined, undefined]);
      }
    const longer = Buffer.concat([encodeInput(bytes), Buffer.of(0)]);
    expect([decodeInput(longer), decodeDataRequest(longer)]).toEqual([undefined, undefined]);
    const unsafe = encodeChunk(Number.MAX_SAFE_INTEGER, bytes);
    unsafe.writeUInt8(0x7f, unsafe.indexOf(0xcf) + 1);
    expect([decodeChunk(unsafe), decodeDataAnswer(unsafe)]).toEqual([undefined, undefined]);
  });
});
