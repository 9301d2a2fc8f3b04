/** Images as somebody at a terminal meets them: the settings of a worker, what is told of a pull, and where. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { GridFixture } from './cli-grid.fixture.ts';
import { filesIn } from './files-in.fixture.ts';
import { freshImage, imageIds, removeImagesOf } from './images-place.ts';
import { registryUser, TestRegistry } from './registry.fixture.ts';

const grid = new GridFixture();
const folder = mkdtempSync(join(tmpdir(), 'gg-login-'));
const logins = join(folder, 'config.json');
const auth = Buffer.from(`${registryUser.name}:${registryUser.password}`).toString('base64');

let before: readonly string[];
let registry: TestRegistry;

beforeAll(async () => {
  before = await imageIds();
  registry = await TestRegistry.start({ asksLogin: true });
  writeFileSync(logins, JSON.stringify({ auths: { [registry.host]: { auth } } }), { mode: 0o600 });
  Object.assign(grid.env, { GRID_REGISTRY_CONFIG: logins, GRID_IMAGES_BYTES: '1GiB' });
  const { code, stderr } = await grid.grid('up', '--detach', '--name', 'forge');
  if (code !== 0) throw new Error(stderr);
});

afterAll(async () => {
  await grid.stop();
  await removeImagesOf(registry.host);
  await registry.stop();
  rmSync(folder, { recursive: true });
  expect(await imageIds()).toEqual(before);
});

it('a task pulls its image: what is told of it is on stderr, the output alone on stdout', async () => {
  const digest = await registry.push('hello', '1', freshImage());
  const image = `${registry.host}/hello:1`;
  const ran = await grid.grid('submit', '--image', image, '--wait', '--', 'echo', 'hello');
  expect(ran.stdout).toBe('hello\n');
  expect(ran.stderr).toContain(`[gryphgen: pulling ${image}]\n`);
  expect(ran.stderr).toMatch(new RegExp(`\\[gryphgen: pulled ${image}: 2 layers, .*, ${digest}\\]\n`));
  expect(ran.code).toBe(0);
  const again = await grid.submit('--image', image, '--pull', 'never', '--', 'echo', 'again');
  expect((await grid.grid('wait', again)).code).toBe(0);
  const shown = await grid.json<{ image: object }>('show', again);
  expect(shown.image).toEqual({ name: image, digest, id: expect.stringMatching(/^sha256:/) });
  const logs = await grid.grid('logs', again, '--json');
  expect(logs.stdout).toBe('{"text":"again\\n"}\n');
  expect(logs.stderr).toBe(`[gryphgen: ${image} is ${registry.host}/hello@${digest}]\n`);
});

it('what cannot be pulled fails in words, exit code 1, and no secret is in any of them', async () => {
  const file = grid.file('absent.yaml', `image: ${registry.host}/absent:1\npull: always\n`);
  const { code, stderr } = await grid.grid('run', file);
  expect(stderr).toContain(`${registry.host} has no image ${registry.host}/absent:1`);
  expect(code).toBe(1);
  const written = filesIn(grid.home);
  expect(written.size).toBeGreaterThan(3);
  for (const text of written.values()) {
    expect(text).not.toContain(auth);
    expect(text).not.toContain(registryUser.password);
  }
});

it('a worker whose logins others can read does not start, and says why', async () => {
  chmodSync(logins, 0o640);
  const { code, stderr } = await grid.grid('worker');
  chmodSync(logins, 0o600);
  expect(stderr).toContain(`registryConfig: ${logins} can be read by others: chmod 600 it`);
  expect(code).toBe(7);
});
