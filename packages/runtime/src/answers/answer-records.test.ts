import { type AttemptNo, encodeBody, failure, type TaskId } from '@gryphgen/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AnswerRecord, RecordReader, recordBytes, writeRecord } from './answer-records.ts';

const fence = { task: (2 ** 40) as TaskId, attempt: 3 as AttemptNo };
const written = (...records: readonly AnswerRecord[]) => Buffer.concat(records.flatMap(writeRecord));
const readAll = (reader: RecordReader, bytes: Uint8Array) => [...reader.take(bytes)];

/** A record with whatever in it. */
function raw(
  kind: number,
  payload: Uint8Array,
  changes: { task?: number; attempt?: number; length?: number },
) {
  const header = Buffer.alloc(17);
  header.writeUInt8(kind, 0);
  header.writeDoubleBE(changes.task ?? 1, 1);
  header.writeUInt32BE(changes.attempt ?? 1, 9);
  header.writeUInt32BE(changes.length ?? payload.length, 13);
  return Buffer.concat([header, payload]);
}

const proof = 'a5'.repeat(32);

const anyRecord: fc.Arbitrary<AnswerRecord> = fc.oneof(
  fc.record({
    ...{
      kind: fc.constant('head' as const),
      task: fc.constant(fence.task),
      attempt: fc.constant(fence.attempt),
    },
    status: fc.integer({ min: 100, max: 599 }),
    contentType: fc.string({ maxLength: 40 }),
  }),
  fc.record({
    ...{
      kind: fc.constant('data' as const),
      task: fc.constant(fence.task),
      attempt: fc.constant(fence.attempt),
    },
    bytes: fc.uint8Array({ minLength: 1, maxLength: 300 }),
  }),
  fc.constant({ ...fence, kind: 'end' as const, failure: failure('execution.model', 'it went away') }),
  fc.constant({ ...fence, kind: 'end' as const, failure: null }),
  fc.constant({ ...fence, kind: 'want' as const }),
  fc.constant({ ...fence, kind: 'leave' as const }),
  fc.constant({ ...fence, kind: 'done' as const, result: { status: 200, firstMs: 0.5, restMs: 2 } }),
  fc
    .constantFrom('time', 'recalled', 'back', 'ended')
    .map((why) => ({ ...fence, kind: 'over' as const, why })),
  fc.uint8Array({ maxLength: 300 }).map((bytes) => ({ ...fence, kind: 'ask' as const, bytes })),
  fc.constant({ ...fence, kind: 'door' as const, door: { socketPath: '/s', apiKeyFile: '/k', proof } }),
  fc.constant({ ...fence, kind: 'take' as const, proof }),
  fc.constant({ ...fence, kind: 'given' as const }),
);

describe('records', () => {
  it('with a head like the last are as good, whatever became of the bytes of that', () => {
    const reader = new RecordReader();
    const head = { ...fence, kind: 'head', status: 200, contentType: 'text/event-stream' } as const;
    const other = { ...head, status: 201 };
    const bytes = written(head);
    expect(readAll(reader, bytes)).toEqual([head]);
    bytes.fill(0);
    const end = { ...fence, kind: 'end', failure: null } as const;
    expect(readAll(reader, written(head, end, other, end, head))).toEqual([head, end, other, end, head]);
  });
  it('come out as they went in, however the bytes were cut', () => {
    fc.assert(
      fc.property(
        fc.array(anyRecord, { maxLength: 8 }),
        fc.array(fc.nat(40), { maxLength: 60 }),
        (records, cuts) => {
          const bytes = written(...records);
          const reader = new RecordReader();
          const found: unknown[] = [];
          let at = 0;
          for (const cut of [...cuts, bytes.length]) {
            found.push(...readAll(reader, bytes.subarray(at, at + cut)));
            at += cut;
          }
          expect(found).toEqual(records.map((record) => ('bytes' in record ? plain(record) : record)));
        },
      ),
    );
  });

  it('of more than one holds are several', () => {
    const bytes = Buffer.alloc(2 * recordBytes + 1, 'x');
    const found = readAll(new RecordReader(), written({ ...fence, kind: 'data', bytes }));
    expect(
      found.map((record) => (record !== 'malformed' && record.kind === 'data' ? record.bytes.length : 0)),
    ).toEqual([recordBytes, recordBytes, 1]);
  });

  it('that are cut off are not there, and hold no more than one', () => {
    const whole = written({ ...fence, kind: 'data', bytes: Buffer.alloc(100) });
    for (let length = 0; length < whole.length; length += 1)
      expect(readAll(new RecordReader(), whole.subarray(0, length))).toEqual([]);
  });
});

describe('what is none', () => {
  const hostile: readonly [string, Uint8Array][] = [
    ['a longer one than may be', raw(2, new Uint8Array(), { length: recordBytes + 1 })],
    ['the longest that can be said', raw(2, new Uint8Array(), { length: 0xffffffff })],
    ['a kind nobody knows', raw(12, encodeBody({ failure: null }), {})],
    ['a kind of zero', raw(0, encodeBody({ failure: null }), {})],
    ['no task', raw(2, Buffer.from('x'), { task: 0 })],
    ['half a task', raw(2, Buffer.from('x'), { task: 1.5 })],
    ['a task that is no number', raw(2, Buffer.from('x'), { task: Number.NaN })],
    ['more tasks than there can be', raw(2, Buffer.from('x'), { task: 2 ** 60 })],
    ['no attempt', raw(2, Buffer.from('x'), { attempt: 0 })],
    ['a head without a status', raw(1, encodeBody({ contentType: 'text/plain' }), {})],
    ['a head with a status of none', raw(1, encodeBody({ status: 1e9, contentType: '' }), {})],
    ['a head that is no map', raw(1, Buffer.from([0xc1]), {})],
    [
      'an end with a code nobody knows',
      raw(3, encodeBody({ failure: { code: 'no.such', message: '' } }), {}),
    ],
    ['a result that is none', raw(6, Buffer.from('{"status":7}'), {})],
    ['a loan that is over for nothing', raw(8, new Uint8Array(), {})],
    ['one that is over for what nobody knows', raw(8, Buffer.from([4]), {})],
    ['a door to nowhere', raw(9, encodeBody({ socketPath: '/s' }), {})],
    ['a proof of another form', raw(10, Buffer.from('A5'.repeat(32)), {})],
    ['a proof that is too long', raw(10, Buffer.from(`${proof}0`), {})],
    ['an end of nothing', raw(3, new Uint8Array(), {})],
    ['nesting without end', raw(3, Buffer.alloc(60_000, 0x91), {})],
  ];
  it.each(hostile)('%s: ends the reading for good', (_, bytes) => {
    const reader = new RecordReader();
    expect(readAll(reader, bytes)).toEqual(['malformed']);
    expect(readAll(reader, written({ ...fence, kind: 'end', failure: null }))).toEqual(['malformed']);
  });

  it('does no harm, whatever it is', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 10 }), (pieces) => {
        const reader = new RecordReader();
        for (const piece of pieces) readAll(reader, piece);
      }),
    );
  });

  it('does not keep from what came before it', () => {
    const good = written({ ...fence, kind: 'end', failure: null });
    const found = readAll(new RecordReader(), Buffer.concat([good, raw(12, new Uint8Array(), {})]));
    expect(found).toEqual([{ ...fence, kind: 'end', failure: null }, 'malformed']);
  });
});

function plain(record: Extract<AnswerRecord, { kind: 'data' | 'ask' }>): unknown {
  return { ...record, bytes: Buffer.from(record.bytes) };
}
