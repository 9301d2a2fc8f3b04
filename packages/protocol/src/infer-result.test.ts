import fc from 'fast-check';
import { expect, it } from 'vitest';
import { encodeBody } from './body.ts';
import { readInferResult } from './infer-result.ts';
import { inferResultSchema } from './model.ts';

const outcomeOf = (json: string): Uint8Array => encodeBody({ result: new TextEncoder().encode(json) });

const number = fc.oneof(
  fc.nat(),
  fc.constantFrom('-0', '1e999', '-1', '0.5', '99', '100', '599', '600', '9007199254740992').map(Number),
  fc.double({ noNaN: true }),
);
const anything = fc.oneof(
  fc.constantFrom(null, 'x', true),
  number,
  fc.constant([]).map((list) => [...list]),
);
const often = <T>(value: fc.Arbitrary<T>) => fc.oneof({ weight: 8, arbitrary: value }, anything);
const tokens = fc.record(
  { prompt: often(fc.nat()), cached: often(fc.nat()), output: often(fc.nat()), more: anything },
  { requiredKeys: [] },
);
const document = fc.record(
  {
    status: often(fc.constantFrom(100, 200, 599)),
    body: often(fc.string()),
    tokens: often(tokens),
    promptMs: often(number),
    outputMs: often(number),
    firstMs: often(number),
    restMs: often(number),
    more: anything,
  },
  { requiredKeys: [] },
);
/** JSON has it, JSON.stringify writes it not. */
const textOf = (value: unknown): string =>
  JSON.stringify(value, (_, one: unknown) => (one === Infinity ? 'infinite' : one)).replaceAll(
    '"infinite"',
    '1e999',
  );

it('is read as its schema has it', () => {
  const said = fc.oneof(document, fc.record({ status: fc.constant(200), firstMs: number, restMs: number }));
  fc.assert(
    fc.property(said, (value) => {
      const text = textOf(value);
      expect(readInferResult(outcomeOf(text))).toEqual(inferResultSchema.safeParse(JSON.parse(text)).data);
    }),
    { numRuns: 1000 },
  );
});

it('what tells no more than was asked is whole, and what is none is none', () => {
  const whole = {
    ...{ status: 200, tokens: { prompt: 3, cached: 1, output: 2 } },
    ...{ promptMs: 0.5, outputMs: 1.5, firstMs: 2, restMs: 0 },
  };
  expect(readInferResult(outcomeOf(JSON.stringify(whole)))).toEqual(whole);
  for (const json of ['', '{', 'null', '[]', '"x"', '{"__proto__":{"status":200},"firstMs":1,"restMs":1}'])
    expect(readInferResult(outcomeOf(json))).toBeUndefined();
  for (const outcome of [undefined, null, 1, {}, { result: 'x' }, { result: [] }])
    expect(readInferResult(encodeBody(outcome))).toBeUndefined();
  expect(readInferResult(new Uint8Array([0xc1]))).toBeUndefined();
});
