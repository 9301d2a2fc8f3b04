/**
 * Frames of wire version 1 as 0.1.0 wrote them, kinds that came later as they were first written: they must be
 * understood for as long as version 1 is spoken. Never regenerate fixtures/wire-1.json; a change that breaks it needs a
 * new version.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { kinds } from './any-message.fixture.ts';
import { type Direction, decodeFrame } from './wire.ts';

interface Capture {
  readonly direction: Direction;
  readonly session: string;
  readonly messages: readonly { readonly kind: string }[];
  readonly frame: string;
}

const path = new URL('../fixtures/wire-1.json', import.meta.url);
const captures = JSON.parse(readFileSync(path, 'utf8'), (_, value) =>
  value?.$bytes === undefined ? value : Uint8Array.from(Buffer.from(value.$bytes)),
) as readonly Capture[];

describe('a peer of wire version 1', () => {
  it.each(captures)(
    'is understood $direction in session "$session"',
    ({ direction, session, messages, frame }) => {
      expect(decodeFrame(Buffer.from(frame, 'hex'), direction)).toEqual({
        ok: true,
        session,
        messages,
        unknown: 0,
      });
    },
  );
  it('has said everything there is to say', () => {
    const said = new Set(captures.flatMap(({ messages }) => messages.map(({ kind }) => kind)));
    expect([...said].sort()).toEqual([...kinds].sort());
  });
});
