/** A worker that is killed while it ends a container, and one that starts while its engine is away: real daemons. */
import { gridOf, loadMembership } from '@gryphgen/client';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { DaemonsFixture } from './daemons.fixture.ts';
import { docker, image } from './executor-container-place.ts';

let grid: DaemonsFixture;

beforeEach(async () => {
  grid = new DaemonsFixture();
  await grid.prepare();
});

afterEach(async () => {
  await grid.stop();
  expect(grid.deaths).toEqual([]);
});

async function containerOf(task: number) {
  const label = [`gryphgen.task=${task}`, `gryphgen.grid=${gridOf(loadMembership(grid.home))}`];
  for (;;) {
    const [found] = await docker.listContainers({ all: true, filters: { label } });
    if (found !== undefined) return docker.getContainer(found.Id);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Follows its output until it has said this. */
async function says(container: Awaited<ReturnType<typeof containerOf>>, words: string): Promise<void> {
  const stream = await container.logs({ follow: true, stdout: true });
  let text = '';
  for await (const bytes of stream) {
    text += String(bytes);
    if (text.includes(words)) return;
  }
}

it('kill -9 in the middle of a stop: the task ends as it would have without', async () => {
  grid.daemon(['broker']);
  const worker = grid.daemon(['worker']);
  const client = await grid.client();
  const script = 'trap "echo asked; sleep 1; exit 0" TERM; echo up; while :; do sleep 0.05; done';
  const task = client.submit({ kind: 'container', body: { image, command: ['sh', '-c', script] } });
  const id = await task.accepted;
  const container = await containerOf(id);
  await says(container, 'up');
  await client.request('cancel', { task: id });
  await says(container, 'asked');
  await worker.kill();
  expect(await container.wait()).toMatchObject({ StatusCode: 0 });
  worker.start();
  expect(await task.finished).toMatchObject({ state: 'cancelled', attempts: 1 });
});
