import { expect, it } from 'vitest';
import { eventData } from './event-stream.ts';

async function* cut(text: string, size: number): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function all(text: string, size = 7): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const data of eventData(cut(text, size))) found.push(data);
  return found;
}

it('comes whole, however it was cut, within characters too', async () => {
  const text = 'data: {"a":"ä€🐙"}\n\n: a sign of life\n\nevent: x\r\ndata:second\r\n\r\n';
  for (let size = 1; size < 12; size += 1) expect(await all(text, size)).toEqual(['{"a":"ä€🐙"}', 'second']);
});

it('is taken to its end, also when that comes long after its last word', async () => {
  let isTaken = false;
  const body = async function* () {
    yield Buffer.from('data: 1\n\ndata: [DONE]\n\n');
    yield Buffer.from('\n');
    isTaken = true;
  };
  const found: string[] = [];
  for await (const data of eventData(body())) found.push(data);
  expect(found).toEqual(['1']);
  expect(isTaken).toBe(true);
});

it('is not held without end', async () => {
  await expect(all(`data: ${'x'.repeat(1024 * 1024 + 8)}`, 64 * 1024)).rejects.toThrow('does not end');
});
