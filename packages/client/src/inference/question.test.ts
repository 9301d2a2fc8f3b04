import { decodeBody, decodeEnvelope, limits } from '@gryphgen/protocol';
import { describe, expect, it } from 'vitest';
import { type Question, QuestionEncoder } from './question.ts';

const request = (words: string) => new TextEncoder().encode(JSON.stringify({ words }));
const chat: Question = {
  ...{ kind: 'infer', model: 'tiny', path: '/v1/chat/completions', name: 'a key' },
  request: request('hello'),
};

describe('a question', () => {
  it('is encoded as one of its kind was before, but for what it asks', () => {
    const encoder = new QuestionEncoder('c'.repeat(22));
    const first = encoder.encode(chat, []);
    const second = encoder.encode({ ...chat, request: request('goodbye') }, []);
    expect(second.envelopeBytes).toBe(first.envelopeBytes);
    expect(decodeBody(second.bodyBytes)).toMatchObject({
      value: { path: '/v1/chat/completions', channel: 'c'.repeat(22), request: request('goodbye') },
    });
    const other = encoder.encode({ ...chat, priority: 3 }, []);
    expect(decodeEnvelope(other.envelopeBytes)).toMatchObject({ value: { priority: 3, name: 'a key' } });
    const chosen = encoder.encode(chat, ['prefix']);
    expect(decodeEnvelope(chosen.envelopeBytes)).toMatchObject({ value: { prefix: ['prefix'] } });
    expect(encoder.encode(chat, []).envelopeBytes).toBe(first.envelopeBytes);
  });

  it('asks the same whether or not one of its kind was before', () => {
    const known = new QuestionEncoder('c'.repeat(22));
    known.encode(chat, []);
    for (const bytes of [0, 1, 100, limits.bodyBytes]) {
      const asked = { ...chat, request: new Uint8Array(bytes) };
      const first = new QuestionEncoder('c'.repeat(22)).encode(asked, []);
      expect(decodeBody(known.encode(asked, []).bodyBytes)).toEqual(decodeBody(first.bodyBytes));
    }
  });

  it('that makes no sense is refused each time', () => {
    const encoder = new QuestionEncoder('c'.repeat(22));
    encoder.encode(chat, []);
    const text = 'no bytes' as unknown as Uint8Array;
    expect(() => encoder.encode({ ...chat, request: text }, [])).toThrow('body.request');
    const endless = { length: limits.questionBytes + 1 } as Uint8Array;
    expect(() => encoder.encode({ ...chat, request: endless }, [])).toThrow('body.requestBytes');
    for (const _ of [1, 2])
      expect(() => encoder.encode({ ...chat, path: '/v1/rerank' }, [])).toThrow(
        'expected one of /v1/chat/completions',
      );
  });
});
