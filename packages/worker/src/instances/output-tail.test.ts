import { describe, expect, it } from 'vitest';
import { OutputTail } from './output-tail.ts';

const log = { write: async () => true, end: async () => undefined };

async function said(...pieces: string[]): Promise<OutputTail> {
  const tail = new OutputTail();
  const writer = tail.beside(log);
  for (const piece of pieces) await writer.write(Buffer.from(piece));
  return tail;
}

describe('of a server that ended', () => {
  it('the first line that tells what went wrong is told, without when and where', async () => {
    const lines =
      '0.00.1 I srv load\n0.00.2 E gguf_init: failed to read magic\n0.00.3 E main: exiting due to error\n';
    expect((await said(lines)).failure('it ended', false)).toEqual({
      code: 'execution.model',
      message: 'it ended: gguf_init: failed to read magic',
    });
  });

  it('memory that was not there is that, wherever it stands', async () => {
    const lines = 'failed to load\nggml_cuda: cudaMalloc failed: out of memory\nbye\n';
    const failure = (await said(lines)).failure('it ended', true);
    expect(failure).toMatchObject({ code: 'execution.oom', message: expect.stringContaining('cudaMalloc') });
  });

  it('the last line is told where nothing tells, of one that never was ready alone', async () => {
    const tail = await said('one\n', 'tw', 'o\n\n');
    expect(tail.failure('it ended', false).message).toBe('it ended: two');
    expect(tail.failure('it ended', true).message).toBe('it ended');
    expect((await said()).failure('it ended', false).message).toBe('it ended');
  });

  it('of much that was said only the end is kept', async () => {
    const tail = await said('error: long ago\n', 'x\n'.repeat(20_000), 'error: now\n');
    expect(tail.failure('it ended', true).message).toBe('it ended: error: now');
  });
});

it('what it said of finding no device is told, and nothing else is taken for that', async () => {
  const tail = await said(
    '0.1 W warning: no usable GPU found, --gpu-layers option will be ignored\n',
    'more\n',
  );
  expect(tail.noDevice()).toBe('warning: no usable GPU found, --gpu-layers option will be ignored');
  expect((await said('offloaded 5/5 layers to GPU\n')).noDevice()).toBeUndefined();
});
