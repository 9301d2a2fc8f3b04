import { ggufHeader, i32s, type Metadata, string, strings, type Tensor, u32 } from '@gryphgen/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ByteSource, GgufProblem } from './byte-cursor.ts';
import { headerLimits, readHeader } from './read-header.ts';

interface CountedSource extends ByteSource {
  readonly readBytes: () => number;
}

function sourceOf(file: Buffer, bytes = file.length): CountedSource {
  let sum = 0;
  return {
    bytes,
    readBytes: () => sum,
    read: async (offset, length) => {
      expect(offset + length).toBeLessThanOrEqual(bytes);
      sum += length;
      return Buffer.concat([file.subarray(offset, offset + length)], length);
    },
  };
}

const refusal = async (file: Buffer, bytes?: number): Promise<string> => {
  const error: unknown = await readHeader(sourceOf(file, bytes)).then(
    () => 'it was read',
    (problem: unknown) => problem,
  );
  if (error instanceof GgufProblem) return error.message;
  throw error;
};

const matrix: Tensor = { name: 'token_embd.weight', type: 'q4_k', dims: [256, 3] };
const norm: Tensor = { name: 'output_norm.weight', type: 'f32', dims: [256] };

function file(
  metadata: Metadata = { 'general.architecture': string('llama') },
  tensors = [matrix, norm],
): Buffer {
  const { header, dataBytes } = ggufHeader(metadata, tensors);
  return Buffer.concat([header, Buffer.alloc(dataBytes)]);
}

/** The number at the end of what is found, or so many bytes after it, replaced. */
function withNumber(bytes: Buffer, after: string, skip: number, value: bigint, width: 4 | 8 = 8): Buffer {
  const changed = Buffer.from(bytes);
  const at = changed.indexOf(after) + after.length + skip;
  if (width === 8) changed.writeBigUInt64LE(value, at);
  else changed.writeUInt32LE(Number(value), at);
  return changed;
}

describe('a header', () => {
  it('is read: keys by their types, tensors with the bytes they take', async () => {
    const metadata = {
      'general.architecture': string('llama'),
      'llama.block_count': u32(7),
      'llama.heads': i32s([1, 2, 3]),
    };
    const header = await readHeader(sourceOf(file(metadata)));
    expect(header.version).toBe(3);
    expect([...header.metadata]).toEqual([
      ['general.architecture', 'llama'],
      ['llama.block_count', 7],
      ['llama.heads', [1, 2, 3]],
    ]);
    expect(header.tensors.map(({ name, type, bytes }) => [name, type.name, bytes])).toEqual([
      ['token_embd.weight', 'Q4_K', 3 * 144],
      ['output_norm.weight', 'F32', 1024],
    ]);
  });

  it('may be of version 2', async () => {
    const bytes = file();
    bytes.writeUInt32LE(2, 4);
    expect((await readHeader(sourceOf(bytes))).version).toBe(2);
  });

  it('has its lists of texts counted, and nothing of them kept, across chunks', async () => {
    const vocabulary = Array.from({ length: 100_000 }, (_, i) => `token ${i}`);
    const metadata = { 'tokenizer.ggml.tokens': strings(vocabulary), after: u32(1) };
    const header = await readHeader(sourceOf(file(metadata)));
    expect([...header.metadata]).toEqual([
      ['tokenizer.ggml.tokens', { count: 100_000 }],
      ['after', 1],
    ]);
  });

  it('has long arrays of numbers counted, and not read', async () => {
    const long = Array.from({ length: 1_000_000 }, () => 1);
    const source = sourceOf(file({ long: i32s(long), after: u32(1) }));
    const header = await readHeader(source);
    expect([...header.metadata]).toEqual([
      ['long', { count: 1_000_000 }],
      ['after', 1],
    ]);
    expect(source.readBytes()).toBeLessThan(1_000_000);
  });
});

describe('what is not a header is refused, and where', () => {
  const array = { 'a.list': i32s([1, 2]) };
  const overlapping = withNumber(file(), norm.name, 4 + 8 + 4, 0n);
  const cases: readonly (readonly [string, Buffer, string])[] = [
    ['an empty file', Buffer.alloc(0), 'does not begin with "GGUF"'],
    ['another file', Buffer.from('PK\u0003\u0004 and more'), 'does not begin with "GGUF"'],
    ['a big-endian file', Buffer.from('GGUF\0\0\0\u0003'.padEnd(24, '\0'), 'latin1'), 'big-endian'],
    ['version 1', Buffer.from('GGUF\u0001\0\0\0'.padEnd(24, '\0'), 'latin1'), 'its GGUF version is 1'],
    ['version 0', Buffer.from('GGUF'.padEnd(24, '\0'), 'latin1'), 'its GGUF version is 0'],
    ['too many tensors', withNumber(file(), 'GGUF', 4, 65_537n), 'the number of tensors is 65537, at byte 8'],
    ['a number past 2^53', withNumber(file(), 'GGUF', 4, 2n ** 64n - 1n), 'no file is that large'],
    ['too many keys', withNumber(file(), 'GGUF', 12, 4097n), 'the number of keys is 4097, at byte 16'],
    [
      'more keys than there are',
      withNumber(file(), 'GGUF', 12, 2n),
      'the name of tensor 0 ends past the end',
    ],
    [
      'a name past the end',
      withNumber(file(), 'GGUF', 20, 2n ** 40n),
      'the name of key 0 ends past the end of the file',
    ],
    [
      'a text past the end',
      withNumber(file(), 'general.architecture', 4, 1n << 50n),
      'general.architecture ends past',
    ],
    ['an unknown type', withNumber(file(), 'general.architecture', 0, 13n, 4), 'of the unknown type 13'],
    [
      'an array past the end',
      withNumber(file(array), 'a.list', 8, 2n ** 52n),
      'a.list ends past the end of the file',
    ],
    ['an array of arrays', withNumber(file(array), 'a.list', 4, 9n, 4), 'a.list is an array of arrays'],
    [
      'an array of nothing known',
      withNumber(file(array), 'a.list', 4, 77n, 4),
      'an array of the unknown type 77',
    ],
    [
      'texts past the end',
      withNumber(file(array), 'a.list', 4, 8n, 4),
      'a.list ends past the end of the file: text 0 of 2',
    ],
    ['an odd alignment', file({ 'general.alignment': u32(48) }), 'not a power of two'],
    ['an alignment of 0', file({ 'general.alignment': u32(0) }), 'not a power of two'],
    ['an alignment in words', file({ 'general.alignment': string('32') }), 'not a power of two'],
    ['a tensor of no dimensions', withNumber(file(), matrix.name, 0, 0n, 4), 'has 0 dimensions, at byte'],
    [
      'a tensor of five dimensions',
      withNumber(file(), matrix.name, 0, 5n, 4),
      'token_embd.weight has 5 dimensions',
    ],
    ['a dimension of 0', withNumber(file(), matrix.name, 12, 0n), 'has a dimension of 0'],
    ['a product past 2^53', withNumber(file(), matrix.name, 12, 2n ** 50n), 'values, at byte'],
    [
      'a broken row',
      withNumber(file(), matrix.name, 4, 255n),
      'rows of 255 values, and Q4_K has blocks of 256',
    ],
    ['an unknown tensor type', withNumber(file(), matrix.name, 20, 4n, 4), 'of the unknown type 4'],
    ['an offset between', withNumber(file(), norm.name, 16, 433n), 'lies at 433, which is no multiple of 32'],
    ['tensors that overlap', overlapping, 'overlap, at byte'],
    ['a tensor past the end', withNumber(file(), norm.name, 16, 1n << 40n), 'is it whole?'],
    ['the same tensor twice', file(undefined, [norm, norm]), 'it has the tensor output_norm.weight twice'],
    [
      'a name that is too long',
      file(undefined, [{ ...norm, name: 'x'.repeat(65) }]),
      'more than the 64 allowed',
    ],
    ['a key that is too long', file({ ['k'.repeat(1025)]: u32(1) }), 'more than the 1024 allowed'],
    [
      'a text that is too long',
      file({ t: string('x'.repeat(headerLimits.textBytes + 1)) }),
      'more than the 1048576 allowed',
    ],
  ];
  for (const [name, bytes, reason] of cases) {
    it(name, async () => expect(await refusal(bytes)).toContain(reason));
  }

  it('the same key twice', async () => {
    const bytes = file({ 'a.key': u32(1), 'b.key': u32(2) });
    bytes.write('a.key', bytes.indexOf('b.key'));
    expect(await refusal(bytes)).toMatch(/the key a.key twice, again at byte \d+/);
  });

  it('more than is kept', async () => {
    const texts = Array.from({ length: 9 }, (_, i) => [`t${i}`, string('x'.repeat(headerLimits.textBytes))]);
    expect(await refusal(file(Object.fromEntries(texts) as Metadata))).toContain(
      'its keys take more than 8388608',
    );
  });

  it('a vocabulary that never ends, in a file of any size', async () => {
    const bytes = withNumber(file({ v: strings(['']) }), 'v', 8, 2n ** 40n);
    expect(await refusal(bytes, 2 ** 45)).toContain('its header goes on past byte 134217728');
  });

  it('cut short at any byte', async () => {
    const whole = file();
    for (let length = 0; length < whole.length; length++) {
      expect(await refusal(whole.subarray(0, length))).not.toBe('');
    }
  });

  it('whatever its bytes are: read or refused, and nothing else', async () => {
    const whole = file({ 'general.architecture': string('llama'), ...array, words: strings(['a', 'b']) });
    const header = whole.length - 1500;
    const change = fc.tuple(fc.nat(header), fc.nat(255));
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 6 }), async (changes) => {
        const bytes = Buffer.from(whole);
        for (const [at, value] of changes) bytes[at] = value;
        await readHeader(sourceOf(bytes)).catch((error: unknown) =>
          expect(error).toBeInstanceOf(GgufProblem),
        );
      }),
      { numRuns: 2000 },
    );
  });
});
