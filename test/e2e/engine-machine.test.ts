/**
 * A worker on another kind of machine: its engine maps the users of containers to others of the machine, and has a runtime
 * of its own, as with gVisor or Kata (here: a script that notes how it is called, and calls runc); and the machine loses
 * power. Real daemons, an engine of its own. Needs root.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endProcesses } from '@gryphgen/worker';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GridFixture } from './cli-grid.fixture.ts';
import { DaemonsFixture } from './daemons.fixture.ts';
import { OwnEngine } from './own-engine.fixture.ts';

const isRoot = process.getuid?.() === 0;
const usersFrom = 300_000;
let engine: OwnEngine;
/** The owner's, and of the runtime. */
let folder: string;

beforeAll(async () => {
  if (!isRoot) return;
  folder = mkdtempSync(join(tmpdir(), 'gg-machine-'));
  chmodSync(folder, 0o755);
  const runtime = join(folder, 'runsc');
  writeFileSync(runtime, `#!/bin/sh\necho "$@" >>${folder}/calls\nexec runc "$@"\n`, { mode: 0o755 });
  engine = new OwnEngine({ usersFrom, runtimes: { runsc: runtime } });
  await engine.start();
  const env = { ...process.env, DOCKER_HOST: `unix://${engine.socket}` };
  execFileSync('bash', [join(import.meta.dirname, '../../scripts/make-test-image.sh')], {
    env,
    stdio: 'ignore',
  });
});
afterAll(async () => {
  if (!isRoot) return;
  await engine.stop();
  rmSync(folder, { recursive: true });
});

describe.skipIf(!isRoot)('an engine that maps users, with a runtime of its own', () => {
  let grid: GridFixture;
  beforeAll(async () => {
    grid = new GridFixture();
    mkdirSync(join(folder, 'out'));
    chmodSync(join(folder, 'out'), 0o777);
    grid.file('policy.yaml', `runtimes: [runsc]\nmounts:\n  out: { path: ${folder}/out, mode: rw }\n`);
    grid.env.DOCKER_HOST = `unix://${engine.socket}`;
    const { code, stderr } = await grid.grid('up', '--detach');
    if (code !== 0) throw new Error(stderr);
  });
  afterAll(() => grid.stop());

  const run = (flags: readonly string[], line: string) =>
    grid.grid('submit', '--image', 'gryphgen-test', ...flags, '--wait', '--', 'sh', '-c', line);

  it('runs every task in the runtime that the owner allows; root in it is nobody of the machine', async () => {
    const line = 'id -u; echo mine >/data/root; cat /proc/self/uid_map';
    const { code, stdout } = await run(['--mount', 'out:/data:rw'], line);
    expect(code).toBe(0);
    expect(stdout.replace(/ +/g, ' ')).toBe(`0\n 0 ${usersFrom} 65536\n`);
    expect(statSync(join(folder, 'out/root')).uid).toBe(usersFrom);
    expect(readFileSync(join(folder, 'calls'), 'utf8')).toMatch(/ create .*--bundle /);
    expect(
      await grid.grid('submit', '--image', 'gryphgen-test', '--runtime', 'runc', '--', 'true'),
    ).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('does not offer runtime runc (it has runsc)'),
    });
  });

  it('runs a task as the user that it asks for, who is another out there', async () => {
    const flags = ['--user', '1000:1000', '--mount', 'out:/data:rw'];
    expect(await run(flags, 'id -u; echo mine >/data/user')).toMatchObject({ code: 0, stdout: '1000\n' });
    expect(statSync(join(folder, 'out/user')).uid).toBe(usersFrom + 1000);
  });

  it('gives a task its files and scratch space, and takes what it leaves, whoever it is', async () => {
    grid.file('given', 'hello\n');
    for (const user of [[], ['--user', '0:0'], ['--user', '1000:1000']]) {
      const flags = [
        ...user,
        '--in',
        'given',
        '--out',
        '/out/left',
        '--scratch',
        '1MiB:disk:/work',
        '--json',
      ];
      const { stdout } = await run(
        flags,
        'cp /in/given /work/x && cp /work/x /out/left && chmod 600 /out/left',
      );
      const { id, outputs } = JSON.parse(stdout) as { id: string; outputs: object[] };
      expect(outputs).toMatchObject([{ path: '/out/left', bytes: 6, copied: true }]);
      const got = `got-${id}`;
      expect(await grid.grid('get', id, '-o', got)).toMatchObject({ code: 0 });
      expect(readFileSync(join(grid.home, got, 'left'), 'utf8')).toBe('hello\n');
    }
  });
});

describe.skipIf(!isRoot)('a machine that loses power', () => {
  let grid: DaemonsFixture;
  beforeAll(() => {
    grid = new DaemonsFixture();
    grid.prepare();
  });
  afterAll(async () => {
    await grid.stop();
    expect(grid.deaths).toEqual([]);
  });

  it('has nothing left of what ran, which runs again: a container, a process', async () => {
    const lines = join(folder, 'lines');
    writeFileSync(lines, '');
    chmodSync(lines, 0o666);
    writeFileSync(join(grid.home, 'policy.yaml'), `mounts:\n  lines: { path: ${folder}, mode: rw }\n`);
    // On another machine: what knows of the engine goes with it.
    grid.daemon(['broker']);
    grid.env.DOCKER_HOST = `unix://${engine.socket}`;
    const worker = grid.daemon(['worker', '--allow-process']);
    const client = await grid.client();
    // In its first life it runs until the machine goes.
    const script = (file: string) =>
      `echo $GRID_TASK.$GRID_ATTEMPT >>${file}; [ $GRID_ATTEMPT = 2 ] || exec sleep 1000`;
    const mounts = [{ name: 'lines', to: '/data', readOnly: false }];
    const scratch = { sizeBytes: 1024 * 1024, medium: 'disk', to: '/work' } as const;
    const tasks = [
      client.submit({
        kind: 'container',
        body: {
          image: 'gryphgen-test:latest',
          command: ['sh', '-c', script('/data/lines')],
          mounts,
          scratch,
        },
      }),
      client.submit({ kind: 'process', body: { command: ['sh', '-c', script(lines)] } }),
    ];
    const ids = await Promise.all(tasks.map(({ accepted }) => accepted));
    const begun = (attempt: number) => ids.map((id) => `t${id}.${attempt}`);
    const said = () => readFileSync(lines, 'utf8').trim().split('\n').sort();
    await expect.poll(said).toEqual(begun(1));

    await worker.kill();
    await endProcesses(grid.home);
    await engine.losePower();
    await engine.start();
    worker.start();

    for (const { finished } of tasks)
      expect(await finished).toMatchObject({ state: 'succeeded', attempts: 2 });
    expect(said()).toEqual([...begun(1), ...begun(2)].sort());
    await expect.poll(async () => engine.docker.listContainers({ all: true })).toEqual([]);
    expect((await engine.docker.listVolumes()).Volumes).toEqual([]);
    const kept = ['containers', 'scratch', 'artifacts/attempts'].map((name) =>
      join(grid.home, 'worker', name),
    );
    const left = () => kept.flatMap((path) => (existsSync(path) ? readdirSync(path) : []));
    await expect.poll(left).toEqual([]);
  });
});
