import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { plain } from './any-message.fixture.ts';
import { decodeBody, decodeEnvelope, encodeBody, encodeEnvelope } from './body.ts';
import { limits } from './limits.ts';
import { envelopeDefaults, envelopeSchema } from './task-spec.ts';

describe('envelopes and bodies', () => {
  it('come back, without keys that were undefined', () => {
    const envelope = { ...envelopeDefaults, kind: 'container', name: 'ä', image: undefined } as const;
    const { image: _, ...expected } = envelope;
    expect(decodeEnvelope(encodeEnvelope(envelope))).toEqual({ ok: true, value: expected });
    fc.assert(
      fc.property(plain, (value) => {
        expect(decodeBody(encodeBody(value))).toEqual({ ok: true, value });
      }),
    );
    expect(decodeBody(new Uint8Array(0))).toEqual({ ok: true, value: undefined });
  });
  it('say what is wrong', () => {
    const wrong = decodeEnvelope(encodeBody({ ...envelopeDefaults, kind: 'noop', priority: 1000 }));
    expect(wrong).toMatchObject({ ok: false, failure: { code: 'rejected.invalid' } });
    expect(!wrong.ok && wrong.failure.message).toMatch(/^envelope\.priority: /);
    const labels = Object.fromEntries([['__proto__', 'x']]);
    expect(envelopeSchema.safeParse({ ...envelopeDefaults, kind: 'noop', labels }).error?.message).toContain(
      'may not have the key __proto__',
    );
    expect(decodeEnvelope(Buffer.alloc(limits.envelopeBytes + 1)).ok).toBe(false);
    expect(decodeBody(Buffer.from('0101', 'hex'))).toMatchObject({ ok: false });
    expect(decodeBody(Buffer.from('c1', 'hex'))).toMatchObject({ ok: false });
  });
});
