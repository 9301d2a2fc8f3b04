import { execOrderSchema, failure } from '@gryphgen/protocol';
import { createLog, type Duplex, type ExecRequest, type TransferEnd } from '@gryphgen/runtime';
import { expect, it } from 'vitest';
import { ExecSessions } from './exec-sessions.ts';

const order = execOrderSchema.parse({ command: ['sh'] });
const { signal } = new AbortController();
let ids = 0;

function request(task: number): ExecRequest {
  ids += 1;
  return { task: task as never, attempt: 1, id: `x${ids}`, principal: 'p-1', order };
}

/** Commands that end when the test says so. */
class Played {
  readonly ends: ((end: TransferEnd) => void)[] = [];
  readonly sessions = new ExecSessions(
    ({ task }) => {
      if ((task as number) === 404) return undefined;
      if ((task as number) === 500)
        return Promise.resolve({ failure: failure('execution.start', 'no such') });
      const ended = new Promise<TransferEnd>((resolve) => this.ends.push(resolve));
      return Promise.resolve({ ended } as Duplex);
    },
    createLog({ daemon: 'test', level: 'silent' }),
  );

  async words(task: number): Promise<string> {
    const opened = await this.sessions.open(request(task), signal);
    return 'ended' in opened ? 'runs' : (opened.failure?.message ?? '');
  }
}

it('beside one attempt run so many, and more when one has ended', async () => {
  const played = new Played();
  for (let nth = 0; nth < 8; nth += 1) expect(await played.words(1)).toBe('runs');
  expect(await played.words(1)).toBe('8 commands run beside t1.1 already');
  expect(await played.words(2)).toBe('runs');
  played.ends[0]?.({ failure: null, exitCode: 0 });
  await new Promise(setImmediate);
  expect(await played.words(1)).toBe('runs');
});

it('on one worker run so many', async () => {
  const played = new Played();
  for (let task = 1; task <= 64; task += 1) expect(await played.words(task)).toBe('runs');
  expect(await played.words(65)).toBe('64 commands run beside the tasks of this worker already');
});

it('what could not be begun takes no place', async () => {
  const played = new Played();
  for (let nth = 0; nth < 10; nth += 1) expect(await played.words(500)).toBe('no such');
  expect(await played.words(404)).toBe('t404.1 does not run on this worker in a container');
});
