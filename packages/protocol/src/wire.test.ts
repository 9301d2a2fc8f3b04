import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import { anyMessage, kinds, messageOf, sessionOf, shapes } from './any-message.fixture.ts';
import { limits } from './limits.ts';
import { type Direction, decodeFrame, encodeFrame, frameOverheadBytes, messageBytes } from './wire.ts';

const raw = new Packr({ useRecords: false });
describe('every kind', () => {
  for (const kind of kinds) {
    it(`${kind} comes back as it went, and never larger than announced`, () => {
      fc.assert(
        fc.property(fc.array(messageOf(kind), { maxLength: 4 }), (messages) => {
          const frame = encodeFrame(sessionOf(kind), messages);
          const decoded = decodeFrame(frame, shapes[kind][0]);
          expect(decoded).toEqual({ ok: true, session: sessionOf(kind), messages, unknown: 0 });
          const announced = messages.reduce(
            (sum, message) => sum + messageBytes(message),
            frameOverheadBytes,
          );
          expect(frame.length).toBeLessThanOrEqual(announced);
        }),
        { numRuns: 50 },
      );
    });
  }
});

it('bytes of a message are copied by slice, also when the frame is a Buffer', () => {
  const body = new Uint8Array([1, 2, 3]);
  const submit = { kind: 'submit', seq: 1, floor: 1, key: '', envelope: body, body } as const;
  const frame = Buffer.from(encodeFrame('s', [submit]));
  const decoded = decodeFrame(frame, 'toBroker');
  const [read] = decoded.ok ? decoded.messages : [];
  const kept = read?.kind === 'submit' ? [read.envelope.slice(), read.body.slice()] : [];
  frame.fill(0);
  expect(kept).toEqual([body, body]);
});

it('a document may name a code that its reader does not know', () => {
  const result = { id: 't1', state: 'waiting', failure: { code: 'lost.of-a-later-version', message: 'x' } };
  const reply = { kind: 'reply', id: 1, result, failure: null } as const;
  const decoded = decodeFrame(encodeFrame('s', [reply]), 'toClient');
  expect(decoded).toMatchObject({ ok: true, messages: [reply] });
});

const failureOf = (bytes: Uint8Array, direction: Direction = 'toBroker') => {
  const decoded = decodeFrame(bytes, direction);
  return decoded.ok ? undefined : decoded.failure;
};
const frameOf = (...messages: unknown[]) => raw.pack(['s', messages]);

describe('hostile frames', () => {
  it('never throw, however they were bent', () => {
    const mutated = fc.record({
      message: anyMessage,
      edits: fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 }),
      cut: fc.option(fc.nat()),
    });
    fc.assert(
      fc.property(mutated, ({ message, edits, cut }) => {
        const frame = Buffer.from(encodeFrame(sessionOf(message.kind), [message]));
        for (const [at, byte] of edits) frame[at % frame.length] = byte;
        const bytes = cut === null ? frame : frame.subarray(0, cut % frame.length);
        for (const direction of ['toBroker', 'toClient', 'toWorker'] as const) {
          expect(failureOf(bytes, direction)?.code ?? 'rejected.invalid').toBe('rejected.invalid');
        }
      }),
      { numRuns: 2000 },
    );
  });
  it('never throw, when they are noise', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (noise) => {
        expect(failureOf(noise)?.code ?? 'rejected.invalid').toBe('rejected.invalid');
      }),
      { numRuns: 2000 },
    );
  });
  it('reserve no memory for what they only claim', () => {
    const before = process.memoryUsage();
    for (const claim of ['dd', 'df', 'db', 'c6']) {
      expect(failureOf(Buffer.from(`92a173${claim}ffffffff`, 'hex'))?.message).toMatch(/frame|list/);
      const nested = Buffer.concat([
        Buffer.from('92a1739192a5776174636881a57461736b73', 'hex'),
        Buffer.from(`${claim}ffffffff`, 'hex'),
      ]);
      expect(failureOf(nested)?.message).toMatch(/claims more than the frame holds/);
    }
    const after = process.memoryUsage();
    expect(after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers).toBeLessThan(
      64 << 20,
    );
  });
  it('may not nest deeply', () => {
    const deep = Buffer.concat([
      Buffer.from('92a1739192a6', 'hex'),
      Buffer.from('zzzzzz'),
      Buffer.alloc(200_000, 0x91),
    ]);
    expect(failureOf(deep)?.message).toMatch(/nested deeper than 32/);
  });
  it('may not be larger than a frame', () => {
    expect(failureOf(Buffer.alloc(limits.frameBytes + 1))?.message).toMatch(/at most 1048576/);
  });
  it('may not smuggle what msgpackr would build: dates, expressions, sets, prototypes', () => {
    const smuggled = new Packr({ useRecords: false, moreTypes: true });
    for (const args of [new Date(), /x/, new Set([1]), new Error('x'), { a: { big: 2n ** 60n } }]) {
      const frame = smuggled.pack(['s', [['request', { id: 1, op: 'x', args }]]]);
      expect(failureOf(frame)?.message).toMatch(/type that is not allowed|beyond 2\^53/);
    }
    const proto = JSON.parse('{"id":1,"op":"x","args":{"__proto__":{"admin":true}}}');
    expect(failureOf(frameOf(['request', proto]))?.message).toMatch(/__proto__/);
  });
});

describe('words', () => {
  it.each<[string, unknown[], string]>([
    ['a missing field', [1, [1, 0, '']], 'submit has 3 fields, expected 4'],
    ['a range', [4, [0, 1, 1]], 'started.task must be a whole number from 1 to 9007199254740991'],
    ['a fraction', [4, [1.5, 1, 1]], 'started.task must be a whole number from 1 to 9007199254740991'],
    ['a type', [1, [1, 0, 7, Buffer.of()], Buffer.of()], 'submit.key must be text'],
    [
      'a long body',
      [1, [1, 0, '', Buffer.of()], Buffer.alloc(limits.bodyBytes + 1)],
      "submit's body is 262145 bytes long, at most 262144 are allowed",
    ],
    [
      'a long key',
      [1, [1, 0, 'k'.repeat(769), Buffer.of()]],
      'submit.key is 769 bytes long, at most 768 are allowed',
    ],
    [
      'use below nothing',
      [5, [1, 1, 1, 0, null, 0, [-2]]],
      'usage.cpuMs must be a whole number from -1 to 9007199254740991',
    ],
    [
      'use of no number',
      [5, [1, 1, 1, 0, null, 0, [1, Number.NaN]]],
      'usage.peakMemoryBytes must be a number',
    ],
    ['a failure code', [5, [1, 1, 1, 0, ['x.y', 'z'], 0]], 'result.failure.code is not one of ours'],
    [
      'a path',
      ['watch', { tasks: [1, 'x'], progress: true }],
      'watch.tasks.1: Invalid input: expected number, received string',
    ],
    ['a direction', [3, []], 'lease must not be sent to a broker'],
    ['the handshake in a session', ['knock', { versions: [1] }], 'knock must not carry a session'],
  ])('name kind and field: %s', (_, message, words) => {
    expect(failureOf(frameOf(message))).toEqual({ code: 'rejected.invalid', message: words });
  });
  it('name a session message before welcome', () => {
    expect(failureOf(raw.pack(['', [[8, [1]]]]))?.message).toBe('credit must carry a session');
  });
});

it('a lease of the first brokers of shards names its shard in three parts', () => {
  const body = new Uint8Array([1]);
  const leaseFor = (...shard: number[]) => frameOf([3, [1, 1, 9, 1, 1, [], body, 'p-1', false, shard], body]);
  expect(decodeFrame(leaseFor(2, 4, 7), 'toWorker')).toMatchObject({
    ok: true,
    messages: [{ kind: 'lease', task: 9, shard: { index: 2, of: 4, epoch: 7, by: '' } }],
  });
  expect(failureOf(leaseFor(2, 4), 'toWorker')?.message).toBe('lease.shard has 2 fields, expected 3');
});

describe('a newer peer', () => {
  it('may add positions, parts, header keys and kinds', () => {
    const frame = raw.pack([
      's',
      [
        [4, [1, 2, 3, 'new', { more: [1] }], Buffer.of(), 'part'],
        ['bye', { reason: 'x' }, 1, 2],
        [77, [1], Buffer.of()],
        ['teleport', { to: 'x' }],
        [9, [1, [[1, 2, -1, -1, -1, -1, -1, 'new']], 'new']],
      ],
      'new',
    ]);
    expect(decodeFrame(frame, 'toBroker')).toEqual({
      ok: true,
      session: 's',
      unknown: 2,
      messages: [
        { kind: 'started', task: 1, attempt: 2, epoch: 3 },
        { kind: 'bye' },
        { kind: 'heartbeat', seq: 1, attempts: [[1, 2]] },
      ],
    });
  });
  it('may write 64-bit integers', () => {
    const frame = Buffer.from(
      '92a173919204 93 cf0000000000000007 d3000fffffffffffff cc01'.replaceAll(' ', ''),
      'hex',
    );
    const decoded = decodeFrame(frame, 'toBroker');
    expect(decoded.ok && decoded.messages).toEqual([
      { kind: 'started', task: 7, attempt: 2 ** 52 - 1, epoch: 1 },
    ]);
  });
});
