import { expect, it } from 'vitest';
import { FrameReader, type FromKeeper, maxFrameBytes, writeFrame } from './process-messages.ts';

it('puts messages together from whatever pieces arrive', () => {
  const messages: readonly (readonly [FromKeeper, string])[] = [
    [{ kind: 'started', key: '1.2.3' }, ''],
    [{ kind: 'output', key: '1.2.3', at: 7 }, 'some "bytes" \u0000 ü'],
    [{ kind: 'output', key: '1.2.3', at: 7 }, ''],
  ];
  const all = Buffer.concat(messages.map(([message, text]) => writeFrame(message, Buffer.from(text))));
  for (let size = 1; size <= all.length; size += 1) {
    const got: (readonly [FromKeeper, string])[] = [];
    const reader = new FrameReader<FromKeeper>((message, bytes) =>
      got.push([message, Buffer.from(bytes).toString()]),
    );
    for (let at = 0; at < all.length; at += size) reader.push(all.subarray(at, at + size));
    expect(got).toEqual(messages);
  }
});

it('throws at what is no frame of ours, before it has arrived', () => {
  const reader = new FrameReader<FromKeeper>(() => undefined);
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32LE(maxFrameBytes + 1, 0);
  expect(() => reader.push(lengths)).toThrow('a frame of');
  lengths.writeUInt32LE(4, 0);
  lengths.writeUInt32LE(1, 4);
  expect(() => new FrameReader<FromKeeper>(() => undefined).push(lengths)).toThrow('a header of 1');
});
