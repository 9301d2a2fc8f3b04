/** A worker that is killed or stopped, and started again: what it runs goes on, and so does its output, to the byte. */
import type { Client } from '@gryphgen/client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Daemon, DaemonsFixture } from './daemons.fixture.ts';
import { image } from './executor-container-place.ts';

let grid: DaemonsFixture;
let worker: Daemon;
let client: Client;

beforeAll(async () => {
  grid = new DaemonsFixture();
  grid.prepare();
  grid.daemon(['broker']);
  worker = grid.daemon(['worker', '--allow-process']);
  client = await grid.client();
});

afterAll(async () => {
  await grid.stop();
  expect(grid.deaths).toEqual([]);
});

const lineCount = 3000;
const all = Array.from({ length: lineCount }, (_, line) => `line ${line}\n`).join('');
/** At most 10 s, whatever the machine: a worker is away for some of it. */
const script = `i=0; while [ $i -lt ${lineCount} ]; do echo "line $i"; i=$((i + 1)); [ $((i % 30)) -ne 0 ] || sleep 0.05; done; exit 3`;
const command = ['sh', '-c', script];
const tasks = [
  { kind: 'process', body: { command } },
  { kind: 'container', body: { image, command } },
] as const;

/** Resolves when there is more of it than this, or all of it: on a slow machine it may end while a worker is started. */
async function longerThan(chars: number, log: AsyncIterable<Uint8Array>): Promise<string> {
  let text = '';
  for await (const bytes of log) {
    text += Buffer.from(bytes).toString();
    if (text.length > chars) break;
  }
  return text;
}

async function textOf(source: AsyncIterable<Uint8Array>): Promise<string> {
  let text = '';
  for await (const bytes of source) text += Buffer.from(bytes).toString();
  return text;
}

it('kill -9 and an orderly restart of the worker, each in the middle of what runs', {
  timeout: 120_000,
}, async () => {
  const submitted = tasks.map((task) => client.submit(task));
  const ids = await Promise.all(submitted.map(({ accepted }) => accepted));
  const followed = ids.map((id) => textOf(client.logs(id, { follow: true })));
  let seen = 0;
  for (const how of ['kill', 'end', 'kill'] as const) {
    const read = ids.map((id) => longerThan(seen, client.logs(id, { follow: true })));
    seen = Math.max(...(await Promise.all(read)).map(({ length }) => length));
    await worker[how]();
    worker.start();
  }
  for (const { finished } of submitted)
    expect(await finished).toMatchObject({ state: 'failed', exitCode: 3, attempts: 1 });
  for (const text of await Promise.all(followed)) expect(text).toBe(all);
  for (const id of ids) expect(await textOf(client.logs(id))).toBe(all);
});

it('its logs are had when it is gone', { timeout: 120_000 }, async () => {
  const { accepted, finished } = client.submit({
    kind: 'process',
    body: { command: ['echo', 'still here'] },
  });
  const id = await accepted;
  await finished;
  const kept = async () => (await client.request('status', {})).door['artifacts logs'] ?? 0;
  // Those of the test before, too.
  while ((await kept()) <= tasks.length) await new Promise((resolve) => setTimeout(resolve, 100));
  await worker.end();
  expect(await textOf(client.logs(id, { follow: true }))).toBe('still here\n');
  await expect(textOf(client.logs((id + 1) as typeof id))).rejects.toThrow('no task');
});
