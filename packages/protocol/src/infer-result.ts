/**
 * What a task that asked a model ended with. Broker and asker read one for each question.
 *
 * 1. What is well formed is seen to be so without the schema, which judges all else.
 */
import { readOutcome } from './attempt-outcome.ts';
import { type InferResult, inferResultSchema } from './model.ts';

const decoder = new TextDecoder();

/** Of an attempt's outcome. Undefined of one that did not succeed, or whose worker made it up. */
export function readInferResult(outcome: Uint8Array): InferResult | undefined {
  const json = readOutcome(outcome)?.result;
  return json === undefined ? undefined : inferResultIn(json);
}

/** Of its JSON. Undefined of what is none. */
export function inferResultIn(json: Uint8Array): InferResult | undefined {
  try {
    const value: unknown = JSON.parse(decoder.decode(json));
    return isResult(value) ? value : inferResultSchema.safeParse(value).data;
  } catch {
    return undefined;
  }
}

type Check = (value: unknown) => boolean;

const isAmount: Check = (value) => typeof value === 'number' && value >= 0 && value < Infinity;
const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;

const tokens: ReadonlyMap<string, Check> = new Map([
  ['prompt', isCount],
  ['cached', isCount],
  ['output', isCount],
]);
const fields: ReadonlyMap<string, Check> = new Map<string, Check>([
  ['status', (value) => isCount(value) && (value as number) >= 100 && (value as number) <= 599],
  ['body', (value) => typeof value === 'string'],
  ['tokens', (value) => isOf(tokens, value) && Object.keys(value).length === tokens.size],
  ['promptMs', isAmount],
  ['outputMs', isAmount],
  ['firstMs', isAmount],
  ['restMs', isAmount],
  ['questions', isCount],
]);

/** Nothing else in it than the schema's fields, each as that would have it. */
function isResult(value: unknown): value is InferResult {
  return isOf(fields, value) && 'status' in value && 'firstMs' in value && 'restMs' in value;
}

function isOf(checks: ReadonlyMap<string, Check>, value: unknown): value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  for (const [name, field] of Object.entries(value)) if (checks.get(name)?.(field) !== true) return false;
  return true;
}
