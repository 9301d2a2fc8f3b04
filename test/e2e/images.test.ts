/** Images from a registry: pulled when they are missing, once for all who wait, by digest, with logins, and in words when not. */
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, connect as openConnection, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { connectEngine } from '@gryphgen/worker';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { docker } from './executor-container-place.ts';
import { freshImage, hasImage, ImagePlace, imageIds, removeImagesOf } from './images-place.ts';
import { goArch, HeldLine, registryUser, TestRegistry } from './registry.fixture.ts';

const MiB = 1024 * 1024;

let before: readonly string[];
let registry: TestRegistry;
let here: ImagePlace;
const lines: HeldLine[] = [];

beforeAll(async () => {
  before = await imageIds();
  registry = await TestRegistry.start();
});

afterAll(async () => {
  await removeImagesOf(registry.host);
  await registry.stop();
  expect(await imageIds()).toEqual(before);
});

beforeEach(async () => {
  here = await ImagePlace.open();
});

afterEach(async () => {
  await here.close();
  for (const line of lines.splice(0)) {
    await line.close();
    await removeImagesOf(line.host);
  }
});

/** Passes all on to the engine, and notices when a pull is hung up: that is how the engine is told to give it up. */
class PullWatch {
  readonly socketPath = join(mkdtempSync(join(tmpdir(), 'gg-watch-')), 'engine.sock');
  readonly hungUp: Promise<void>;
  private readonly server: Server;

  private constructor() {
    this.server = createServer();
    this.hungUp = new Promise((resolve) => {
      this.server.on('connection', (worker) => {
        const engine = openConnection('/var/run/docker.sock');
        for (const socket of [worker, engine]) socket.on('error', () => undefined);
        worker.pipe(engine).pipe(worker);
        worker.on('data', (bytes: Buffer) => {
          if (bytes.includes('/images/create')) worker.once('close', () => resolve());
        });
      });
    });
  }

  static async start(): Promise<PullWatch> {
    const watch = new PullWatch();
    watch.server.listen(watch.socketPath);
    await once(watch.server, 'listening');
    return watch;
  }

  async close(): Promise<void> {
    this.server.close();
    await rm(dirname(this.socketPath), { recursive: true });
  }
}

async function heldLine(bytes: number): Promise<HeldLine> {
  const line = await HeldLine.to(registry.host, bytes);
  lines.push(line);
  return line;
}

describe('an image that is missing', () => {
  it('is pulled, and told of in a few lines before the output', async () => {
    const digest = await registry.push('plain', '1', freshImage());
    const image = `${registry.host}/plain:1`;
    const log = await here.run(image);
    expect(log).toMatch(
      new RegExp(
        `^\\[gryphgen: pulling ${image}\\]\n\\[gryphgen: pulled ${image}: 2 layers, .* in .*, ${digest}\\]\nit runs\n$`,
      ),
    );
    expect(await here.run(image)).toBe(`[gryphgen: ${image} is ${registry.host}/plain@${digest}]\nit runs\n`);
  });

  it('is pulled once for all who wait, and each is told', async () => {
    await registry.push('shared', '1', freshImage({ bytes: 4 * MiB }));
    const line = await heldLine(2 * MiB);
    const image = `${line.host}/shared:1`;
    const first = here.start(image);
    await line.held;
    const second = here.start(image);
    expect(await here.log(second, /being pulled/)).toMatch(/being pulled: \d of 2 layers/);
    line.letGo();
    expect(await here.succeeded(first)).toMatch(new RegExp(`pulling ${image}[^]*pulled ${image}: 2 layers`));
    const log = await here.succeeded(second);
    expect(log).toContain(`pulled ${image}: 2 layers`);
    expect(log).not.toContain(`pulling ${image}`);
  });

  it('is told of while it comes', async () => {
    await registry.push('slow', '1', freshImage({ bytes: 4 * MiB }));
    const line = await heldLine(2 * MiB);
    const fence = here.start(`${line.host}/slow:1`);
    const log = await here.log(fence, /so far/);
    expect(log).toMatch(/slow:1: \d of 2 layers, [\d.]+ (?:K|M)iB so far/);
    line.letGo();
    expect(await here.succeeded(fence)).toContain('it runs');
  });

  it('is not pulled when the task says never, and always asked for when it says always', async () => {
    const first = await registry.push('moving', '1', freshImage());
    const image = `${registry.host}/moving:1`;
    expect(await here.refused(here.start(image, { pull: 'never' }))).toEqual({
      code: 'execution.image',
      message: `this worker has no image ${image}, and the task says pull: never`,
    });
    expect(await here.run(image, { pull: 'always' })).toContain(first);
    const second = await registry.push('moving', '1', freshImage());
    expect(await here.run(image, { pull: 'never' })).toContain(`is ${registry.host}/moving@${first}`);
    expect(await here.run(image)).toContain(first);
    expect(await here.run(image, { pull: 'always' })).toContain(second);
    expect(await here.run(image, { pull: 'always' })).toContain('nothing new');
  });
});

describe('a log', () => {
  it('begins as it did when the next life of the worker writes it anew: who reads it goes on where he was', async () => {
    await registry.push('adopted', '1', freshImage());
    const home = await mkdtemp(join(tmpdir(), 'gg-home-'));
    await here.close();
    here = await ImagePlace.open({}, home);
    const fence = here.start(`${registry.host}/adopted:1`, {
      command: ['sh', '-c', 'echo up; exec sleep 600'],
    });
    const before = await here.log(fence, /^up$/m);
    expect(before).toMatch(/^\[gryphgen: pulling .*\]\n\[gryphgen: pulled .*\]\nup\n$/);
    await here.nextLife();
    expect(await here.log(fence, /^up$/m)).toBe(before);
    here.executor.stop(fence, 0, 'cancel');
    await here.place.events.find('exited', fence);
    await rm(home, { recursive: true });
  });
});

describe('a digest', () => {
  it('runs by what it names, whatever the tag is by now', async () => {
    const old = await registry.push('pinned', '1', freshImage());
    await registry.push('pinned', '1', freshImage());
    const image = `${registry.host}/pinned@${old}`;
    const fence = here.start(`${registry.host}/pinned:1@${old}`);
    expect(await here.succeeded(fence)).toContain(`pulled ${image}`);
    const { Id: id } = await docker.getImage(image).inspect();
    const containers = await docker.listContainers({ all: true, filters: { ancestor: [id] } });
    expect(containers).toHaveLength(1);
    expect(await here.run(image, { pull: 'never' })).toBe('it runs\n');
  });

  it('that the registry has not is told', async () => {
    await registry.push('other', '1', freshImage());
    const wrong = `sha256:${'0'.repeat(64)}`;
    const failure = await here.refused(here.start(`${registry.host}/other@${wrong}`));
    expect(failure.code).toBe('execution.image');
    expect(failure.message).toContain(`${registry.host} has no image ${registry.host}/other@${wrong}`);
  });
});

describe('in words', () => {
  it('a tag that is not there', async () => {
    await registry.push('tagged', '1', freshImage());
    const fence = here.start(`${registry.host}/tagged:2`);
    const { code, message } = await here.refused(fence);
    expect(code).toBe('execution.image');
    expect(message).toContain(`${registry.host} has no image ${registry.host}/tagged:2: manifest`);
    expect(await here.log(fence)).toBe(`[gryphgen: pulling ${registry.host}/tagged:2]\n`);
  });

  it('a registry that is not there, tried three times', async () => {
    const gone = await TestRegistry.start();
    await gone.stop();
    const fence = here.start(`${gone.host}/a:1`);
    const { code, message } = await here.refused(fence);
    expect(code).toBe('execution.image');
    expect(message).toContain(`${gone.host} cannot be reached for ${gone.host}/a:1 from this worker: `);
    expect(message).toContain('connection refused');
    expect((await here.log(fence)).match(/trying again in/g)).toHaveLength(2);
  });

  it('an image of another kind of machine, by what it holds and by what the registry offers', async () => {
    await registry.push('arm', '1', freshImage({ machine: 'arm64' }));
    const image = `${registry.host}/arm:1`;
    const fence = here.start(image);
    const { exit } = await here.place.events.find('exited', fence);
    expect(exit.failure).toEqual({
      code: 'execution.image',
      message: expect.stringMatching(
        new RegExp(`^exec format error: .*/arm.* is for linux/arm64, this machine is linux/${goArch()}$`),
      ),
    });
    await registry.pushIndex('arm', 'index', '1', 'arm64');
    const refused = await here.refused(here.start(`${registry.host}/arm:index`));
    expect(refused).toEqual({
      code: 'execution.image',
      message: `${registry.host}/arm:index is not made for this machine: the registry has it for linux/arm64, this machine is linux/${goArch()}`,
    });
  });

  it('a registry that dies in the middle', async () => {
    const mortal = await TestRegistry.start();
    // More than the sockets on the way hold.
    await mortal.push('half', '1', freshImage({ bytes: 32 * MiB }));
    const line = await HeldLine.to(mortal.host, 2 * MiB);
    lines.push(line);
    await here.close();
    here = await ImagePlace.open({ stallMs: 3000 });
    const fence = here.start(`${line.host}/half:1`);
    await line.held;
    await mortal.stop();
    line.letGo();
    const { code, message } = await here.refused(fence);
    expect(code).toBe('execution.image');
    expect(message).toMatch(
      /half:1 does not come from .*: nothing came for 3 s, after \d of 2 layers, .* so far/,
    );
  });
});

describe('a pull that is under way', () => {
  it('ends with the attempt that is stopped, when nobody else waits', async () => {
    await registry.push('stopped', '1', freshImage({ bytes: 4 * MiB }));
    const line = await heldLine(2 * MiB);
    const watch = await PullWatch.start();
    await here.close();
    here = await ImagePlace.open({ docker: connectEngine({ socketPath: watch.socketPath }) });
    const fence = here.start(`${line.host}/stopped:1`);
    await line.held;
    here.executor.stop(fence, 10_000, 'cancel');
    expect((await here.refused(fence)).code).toBe('cancelled.user');
    await watch.hungUp;
    expect(await hasImage(`${line.host}/stopped:1`)).toBe(false);
    await watch.close();
  });

  it('goes on for those who still wait', async () => {
    await registry.push('left', '1', freshImage({ bytes: 4 * MiB }));
    const line = await heldLine(2 * MiB);
    const first = here.start(`${line.host}/left:1`);
    await line.held;
    // Only now: of two that start together either may be the one that pulls.
    const second = here.start(`${line.host}/left:1`);
    await here.log(second, /is being pulled/);
    here.executor.stop(first, 10_000, 'cancel');
    expect((await here.refused(first)).code).toBe('cancelled.user');
    line.letGo();
    expect(await here.succeeded(second)).toContain('it runs');
  });

  it('is waited for no longer than the task may take', async () => {
    await registry.push('late', '1', freshImage({ bytes: 4 * MiB }));
    const line = await heldLine(2 * MiB);
    const image = `${line.host}/late:1`;
    const fence = here.start(image, {}, { timeoutMs: 1500 });
    expect(await here.refused(fence)).toEqual({
      code: 'execution.timeout',
      message: `its image ${image} was not here within its timeout of 1.5 s`,
    });
  });
});

describe('a registry that asks who it is', () => {
  let guarded: TestRegistry;
  let folder: string;
  let path: string;

  beforeAll(async () => {
    guarded = await TestRegistry.start({ asksLogin: true });
    await guarded.push('own', '1', freshImage());
    folder = await mkdtemp(join(tmpdir(), 'gg-login-'));
    path = join(folder, 'config.json');
  });

  afterAll(async () => {
    await removeImagesOf(guarded.host);
    await guarded.stop();
    await rm(folder, { recursive: true });
  });

  async function withLogin(password: string) {
    const auth = Buffer.from(`${registryUser.name}:${password}`).toString('base64');
    await writeFile(path, JSON.stringify({ auths: { [guarded.host]: { auth } } }), { mode: 0o600 });
    await here.close();
    here = await ImagePlace.open({ settings: { credentialsFile: path } });
    return auth;
  }

  it('gives nothing to a worker without a login, or with a wrong one, and neither is told anywhere', async () => {
    const image = `${guarded.host}/own:1`;
    const bare = await here.refused(here.start(image));
    expect(bare.code).toBe('execution.image');
    expect(bare.message).toContain(`${guarded.host} does not give ${image} to this worker: `);
    expect(bare.message).toContain('(this worker has no registry credentials)');
    const auth = await withLogin('not this one');
    const fence = here.start(image);
    const wrong = await here.refused(fence);
    expect(wrong.message).toContain("(it does not accept this worker's login)");
    const told = wrong.message + (await here.log(fence));
    expect(told).not.toContain('not this one');
    expect(told).not.toContain(auth);
  });

  it('gives it to the worker that has the login; a file that others can read is not used', async () => {
    await withLogin(registryUser.password);
    const image = `${guarded.host}/own:1`;
    await chmod(path, 0o644);
    expect(await here.refused(here.start(image))).toEqual({
      code: 'lost.worker',
      message: `this worker cannot log in to ${guarded.host} for ${image}: ${path} can be read by others: chmod 600 it, and renew what is in it`,
    });
    await chmod(path, 0o600);
    expect(await here.run(image)).toContain('it runs');
  });
});
