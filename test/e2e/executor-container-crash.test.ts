/** A worker that is killed while it ends a container, and one that starts while its engine is away: real daemons. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { gridOf, loadMembership } from '@gryphgen/client';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ContainerStarts, DaemonsFixture } from './daemons.fixture.ts';
import { docker, image } from './executor-container-place.ts';

let grid: DaemonsFixture;

/** The engine behind a socket of its own, so that it can be away for one worker alone. */
class EngineDoor {
  readonly path: string;
  /** Connections turned away. */
  private refused = 0;
  private open = true;
  private onRefused: () => void = () => undefined;
  private readonly sockets = new Set<Socket>();
  private readonly server: Server = createServer((socket) => {
    if (this.open) this.pass(socket);
    else {
      socket.destroy();
      this.refused += 1;
      this.onRefused();
    }
  });

  constructor(path: string) {
    this.path = path;
    this.server.listen(path);
  }

  /** Resolves when so many have knocked. */
  async shut(untilRefused: number): Promise<void> {
    this.refused = 0;
    this.open = false;
    for (const socket of this.sockets) socket.destroy();
    while (this.refused < untilRefused)
      await new Promise<void>((resolve) => {
        this.onRefused = resolve;
      });
  }

  reopen(): void {
    this.open = true;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private pass(socket: Socket): void {
    const engine = connect('/var/run/docker.sock');
    for (const [one, other] of [
      [socket, engine],
      [engine, socket],
    ] as const) {
      this.sockets.add(one);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        this.sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  }
}

beforeEach(() => {
  grid = new DaemonsFixture();
  grid.prepare();
});

afterEach(async () => {
  await grid.stop();
  expect(grid.deaths).toEqual([]);
});

/** When it runs. */
async function containerOf(task: number) {
  const label = [`gryphgen.task=${task}`, `gryphgen.grid=${gridOf(loadMembership(grid.home))}`];
  for (;;) {
    const [found] = await docker.listContainers({ filters: { label } });
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

async function letGo(container: Awaited<ReturnType<typeof containerOf>>): Promise<void> {
  const go = await container.exec({ Cmd: ['touch', '/tmp/go'] });
  await go.start({});
}

it('kill -9 in the middle of a stop: the task ends as it would have without', async () => {
  grid.daemon(['broker']);
  const worker = grid.daemon(['worker']);
  const client = await grid.client();
  const script =
    'trap "echo asked; while [ ! -e /tmp/go ]; do sleep 0.05; done; exit 0" TERM; echo up; while :; do sleep 0.05; done';
  const body = { image, command: ['sh', '-c', script] };
  const task = client.submit({ kind: 'container', stopGraceMs: 60_000, body });
  const id = await task.accepted;
  const container = await containerOf(id);
  await says(container, 'up');
  await client.request('cancel', { task: id });
  await says(container, 'asked');
  await worker.kill();
  // It ends only now: its worker would have told of it, and removed it.
  await letGo(container);
  expect(await container.wait()).toMatchObject({ StatusCode: 0 });
  worker.start();
  expect(await task.finished).toMatchObject({ state: 'cancelled', attempts: 1 });
});

it('a worker that starts while its engine is away says nothing before it knows what runs there', async () => {
  const door = new EngineDoor(join(grid.home, 'engine.sock'));
  grid.onStop(() => door.close());
  grid.env.DOCKER_HOST = `unix://${door.path}`;
  const starts = new ContainerStarts(grid.home);
  grid.onStop(() => starts.stop());
  grid.daemon(['broker']);
  const worker = grid.daemon(['worker']);
  const client = await grid.client();
  const script = 'echo up; while [ ! -e /tmp/go ]; do sleep 0.05; done';
  const task = client.submit({ kind: 'container', body: { image, command: ['sh', '-c', script] } });
  const id = await task.accepted;
  const container = await containerOf(id);
  await says(container, 'up');
  await worker.kill();
  const away = door.shut(6);
  worker.start();
  await away;
  door.reopen();
  await letGo(container);
  expect(await task.finished).toMatchObject({ state: 'succeeded', attempts: 1 });
  await starts.seen([id]);
  expect([...starts.byTask]).toEqual([[String(id), 1]]);
});
