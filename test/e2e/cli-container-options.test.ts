/** What a task may have of a machine, from the command line to the container: by the flags, by the owner's policy. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GridFixture } from './cli-grid.fixture.ts';

const grid = new GridFixture();
const folder = mkdtempSync(join(tmpdir(), 'gg-owner-'));
const image = ['--image', 'gryphgen-test:latest'];

beforeAll(async () => {
  mkdirSync(join(folder, 'data'));
  mkdirSync(join(folder, 'results'));
  chmodSync(folder, 0o755);
  chmodSync(join(folder, 'results'), 0o777);
  writeFileSync(join(folder, 'data', 'x'), 'hello\n');
  grid.file(
    'policy.yaml',
    `images: [gryphgen-test, busybox]
mounts:
  data: { path: ${folder}/data }
  results: { path: ${folder}/results, mode: rw }
`,
  );
  const { code, stderr } = await grid.grid('up', '--detach', '--name', 'forge');
  if (code !== 0) throw new Error(stderr);
});
afterAll(async () => {
  await grid.stop();
  rmSync(folder, { recursive: true });
});

const run = (flags: readonly string[], line: string) =>
  grid.grid('submit', ...image, ...flags, '--wait', '--', 'sh', '-c', line);

describe('a container', () => {
  it('gets the folders its worker’s owner has named, to write where that was asked for', async () => {
    const flags = ['--mount', 'data:/data', '--mount', 'results:/out:rw'];
    const { code, stdout } = await run(
      flags,
      'cat /data/x; cp /data/x /out/y && ls /out; touch /data/y 2>&1',
    );
    expect(stdout).toMatch(/^hello\ny\n.*Read-only file system\n$/);
    expect(code).toBe(1);
  });

  it('gets scratch space, limits, a user and its environment from files', async () => {
    grid.file('a.env', '# from a file\nA=one two\nB="quoted"\nFROM_HERE\nNOT_HERE\n');
    grid.file('b.env', 'A=later\n');
    grid.env.FROM_HERE = 'mine';
    const { stdout, stderr } = await run(
      [
        ...['--scratch', '1MiB:tmpfs:/work', '--ulimit', 'nofile=64:128', '--user', '1000:1000'],
        ...['--env-file', 'a.env', '--env-file', 'b.env', '--env', 'B=flag', '--pids-limit', '20'],
      ],
      'echo "$A $B $FROM_HERE"; env | grep -c NOT_HERE; id -u; ulimit -n; df -k /work | tail -1',
    );
    expect(stderr).not.toContain('grid:');
    expect(stdout).toMatch(/^later flag mine\n0\n1000\n64\ntmpfs +1024 .*\n$/);
  });

  it('has no network but loopback, unless it asks for the bridge', async () => {
    expect((await run([], 'ls /sys/class/net')).stdout).toBe('lo\n');
    expect((await run(['--network', 'bridge'], 'ls /sys/class/net')).stdout).toBe('eth0\nlo\n');
  });

  it.each([
    // Each has time for what it is to do: the one to hear of it, the other to be killed.
    ['asked to end by the signal it wants', '10m', 'trap "echo caught; exit" INT', 'up\ncaught\n'],
    ['killed when its grace is over', '500ms', 'trap "" INT', 'up\n'],
  ])('is %s', async (_, grace, trap, output) => {
    const id = await grid.submit(
      ...[...image, '--stop-signal', 'INT', '--stop-grace', grace, '--'],
      ...['sh', '-c', `${trap}; echo up; while :; do sleep 0.05; done`],
    );
    await grid.start('logs', '-f', id).said('up');
    expect((await grid.grid('cancel', id)).code).toBe(0);
    expect((await grid.grid('wait', id)).code).toBe(4);
    expect((await grid.grid('logs', id)).stdout).toBe(output);
  });
});

interface Explained {
  readonly decision: string;
  readonly workers: readonly { readonly reasons?: readonly string[] }[];
}

describe('what no worker offers', () => {
  it.each<[string, readonly string[], string]>([
    ['a mount', ['--mount', 'datta:/x'], 'has no mount named datta (it has data, results)'],
    ['writing where only reading is let', ['--mount', 'data:/x:rw'], 'lets mount data be read, not written'],
    ['the host network', ['--network', 'host'], 'allows no host network (it allows none, bridge)'],
    ['a runtime', ['--runtime', 'no-such'], 'does not offer runtime no-such (it has runc'],
    ['root', ['--user', '0'], 'lets no container run as root'],
  ])('%s is refused with the reason, and explained', async (_, flags, words) => {
    const submitted = await grid.grid('submit', ...image, ...flags, '--', 'true');
    expect(submitted.code).toBe(3);
    expect(submitted.stderr).toContain(words);
    const explained = await grid.json<Explained>('submit', '--dry-run', ...image, ...flags);
    expect(explained.decision).toMatch(/^impossible/);
    expect(explained.workers[0]?.reasons?.join()).toContain(words);
  });

  it('an image the owner does not allow is refused with those allowed', async () => {
    const { code, stderr } = await grid.grid('submit', '--image', 'ghcr.io/x/y', '--', 'true');
    expect(stderr).toContain('does not allow image ghcr.io/x/y:latest (it allows gryphgen-test, busybox)');
    expect(code).toBe(3);
  });

  it('is seen beforehand', async () => {
    const [node] = await grid.json<{ offers: object }[]>('nodes');
    expect(node?.offers).toMatchObject({
      images: ['gryphgen-test', 'busybox'],
      mounts: [
        { name: 'data', write: false },
        { name: 'results', write: true },
      ],
      networks: ['none', 'bridge'],
      root: false,
    });
    expect(JSON.stringify(node)).not.toContain(folder);
  });
});

describe('a policy that hands over the machine', () => {
  it.each([
    ['/', 'is the whole machine'],
    ['/var/run', 'who has it is root'],
    ['.', "the grid's home"],
  ])('by a mount of %s starts no worker: file, line and column are told', async (path, words) => {
    const bad = join(grid.home, 'bad.yaml');
    writeFileSync(bad, `mounts:\n  all:\n    path: ${path === '.' ? grid.home : path}\n`);
    const { code, stderr } = await grid.grid('worker', '--policy', bad);
    expect(stderr).toContain(`${bad}:3:5: mounts.all.path: `);
    expect(stderr).toContain(words);
    expect(code).toBe(2);
  });
});
