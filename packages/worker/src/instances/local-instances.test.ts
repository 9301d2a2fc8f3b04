/** Which of several instances of a model on one worker is asked. */
import { systemClock } from '@gryphgen/runtime';
import { beforeEach, expect, it } from 'vitest';
import type { Fence } from '../core/fence.ts';
import { type InstanceFacts, LocalInstance, LocalInstances } from './local-instances.ts';

let instances: LocalInstances;
let made: LocalInstance[];

beforeEach(() => {
  instances = new LocalInstances();
  made = [];
});

function ready(over: Partial<InstanceFacts> = {}): LocalInstance {
  const fence = { task: made.length + 1, attempt: 1, epoch: 1 } as Fence;
  const facts = { model: 'tiny', use: 'infer', onHost: true, slots: 2, ...over } as const;
  const one = new LocalInstance(fence, facts, { socketPath: '', apiKey: '', apiKeyFile: '' }, systemClock);
  one.isReady = true;
  instances.add(one);
  made.push(one);
  return one;
}

const chat = (...words: readonly string[]) =>
  new TextEncoder().encode(JSON.stringify({ messages: words.map((content) => ({ role: 'user', content })) }));
const asked = (...words: readonly string[]) => instances.find('tiny', 'infer', chat(...words));

it('one that is ready, and for that use', () => {
  expect(asked('a')).toBeUndefined();
  const one = ready();
  ready({ use: 'embed' });
  expect(asked('a')).toBe(one);
  expect(instances.find('tiny', 'rerank')).toBeUndefined();
  one.isReady = false;
  expect(asked('a')).toBeUndefined();
});

it('for a slot, that of which there is but one', () => {
  const one = ready();
  ready({ use: 'embed' });
  expect(instances.only('tiny', 'infer')).toBe(one);
  const other = ready();
  expect(instances.only('tiny', 'infer')).toBeUndefined();
  other.isReady = false;
  expect(instances.only('tiny', 'infer')).toBe(one);
});

it('that with the fewest requests under way, where none knows the prompt', () => {
  const [first, second] = [ready(), ready()];
  const over = first.begin();
  expect(asked('a')).toBe(second);
  over();
  expect(asked('b')).toBe(first);
});

it('that which answered the chat so far, though it is busier, as long as a slot is free', () => {
  const [first, second] = [ready(), ready()];
  const others = first.begin();
  expect(asked('a')).toBe(second);
  others();
  const busy = second.begin();
  expect(asked('a', 'yes', 'b')).toBe(second);
  const full = second.begin();
  expect(asked('a', 'yes', 'b', 'no', 'c')).toBe(first);
  full();
  busy();
});

it('for a beginning that others have too only if it is not busier', () => {
  const [first, second] = [ready(), ready()];
  const over = first.begin();
  expect(asked('system', 'a')).toBe(second);
  over();
  const busy = second.begin();
  expect(asked('system', 'b', 'yes', 'c')).toBe(first);
  busy();
  expect(asked('system', 'a', 'yes', 'c')).toBe(second);
});

it('of one that an earlier version noted, as if it had one slot', () => {
  const [first, second] = [ready({ slots: undefined }), ready({ slots: undefined })];
  const over = first.begin();
  expect(asked('a')).toBe(second);
  over();
  expect(asked('a', 'yes', 'b')).toBe(second);
  second.begin();
  expect(asked('a', 'yes', 'b')).toBe(first);
});
