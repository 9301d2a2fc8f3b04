/** A task's life as somebody at a terminal sees it: the spawned `grid` on one machine, real processes and containers. */
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GridFixture } from './cli-grid.fixture.ts';

const grid = new GridFixture();
beforeAll(async () => {
  const { code, stderr } = await grid.grid('up', '--detach', '--noop', '--name', 'forge');
  if (code !== 0) throw new Error(stderr);
});
afterAll(() => grid.stop());

interface TaskJson {
  readonly id: string;
  readonly state: string;
  readonly exitCode: number | null;
  readonly failure?: { readonly code: string };
}

/** Longer than any test; only a cancel ends it. */
const long = ['--', 'sh', '-c', 'echo started; exec sleep 600'];
const isoTime = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);

/** A process that is certainly running: it has said so. */
async function startLong(): Promise<string> {
  const id = await grid.submit(...long);
  const logs = grid.start('logs', '-f', id);
  await logs.said('started');
  logs.child.kill('SIGINT');
  await logs.end();
  return id;
}

describe('submit --wait', () => {
  it('prints what the task prints, and exits as it did', async () => {
    const { code, stdout, stderr } = await grid.grid(
      'submit',
      '--wait',
      '--',
      'sh',
      '-c',
      'echo out; exit 3',
    );
    expect(stdout).toBe('out\n');
    expect(stderr).toContain('the command exited with code 3');
    expect(code).toBe(1);
  });

  it('ends with the task document in JSON', async () => {
    const args = ['--name', 'hello', '--label', 'a=b', '--wait', '--json', '--', 'echo', 'hi'];
    const { code, stdout, stderr } = await grid.grid('submit', ...args);
    expect(code).toBe(0);
    expect(stderr).toContain('hi\n');
    expect(JSON.parse(stdout)).toMatchObject({
      id: expect.stringMatching(/^t\d+$/),
      name: 'hello',
      kind: 'process',
      state: 'succeeded',
      exitCode: 0,
      worker: expect.stringMatching(/^w-[0-9a-f]{16}$/),
      workerName: 'forge',
      devices: [],
      attempts: 1,
      queuedAt: isoTime,
      startedAt: isoTime,
      endedAt: isoTime,
      labels: { a: 'b' },
    });
    expect(JSON.parse(stdout)).not.toHaveProperty('failure');
  });

  it('runs a container', async () => {
    const args = ['--image', 'gryphgen-test:latest', '--memory', '32MiB', '--env', 'WHO=you'];
    const { code, stdout } = await grid.grid(
      'submit',
      ...args,
      '--wait',
      '--',
      'sh',
      '-c',
      'echo "hello $WHO"',
    );
    expect(stdout).toBe('hello you\n');
    expect(code).toBe(0);
  });

  it('exits 5 when the task ran too long, and says so', async () => {
    const { code, stderr } = await grid.grid('submit', '--timeout', '200ms', '--wait', ...long);
    expect(stderr).toContain('ran longer than its timeout');
    expect(code).toBe(5);
  });

  it('exits 1 for an image that is not there', async () => {
    const { code, stdout } = await grid.grid(
      'submit',
      '--image',
      'no-such:image',
      '--pull',
      'never',
      '--wait',
      '--json',
      '--',
      'x',
    );
    expect(JSON.parse(stdout)).toMatchObject({ state: 'failed', failure: { code: 'execution.image' } });
    expect(code).toBe(1);
  });

  it('stops following at Ctrl-C; the task goes on', async () => {
    const waiting = grid.start('submit', '--wait', ...long);
    await waiting.said('started');
    waiting.child.kill('SIGINT');
    const { code, stderr } = await waiting.end();
    expect(code).toBe(130);
    const id = /(t\d+) goes on/.exec(stderr)?.[1] ?? '';
    expect(await grid.json<TaskJson>('show', id)).toMatchObject({ state: 'running' });
    expect((await grid.grid('cancel', id)).code).toBe(0);
    expect((await grid.grid('wait', id)).code).toBe(4);
  });

  it('carries much output, in order and whole', async () => {
    const { stdout } = await grid.grid('submit', '--wait', '--', 'seq', '200000');
    const lines = stdout.trimEnd().split('\n');
    expect(lines).toHaveLength(200_000);
    expect(lines.every((line, index) => line === String(index + 1))).toBe(true);
  });
});

describe('files', () => {
  it('run follows a task file to its end', async () => {
    const gate = join(grid.home, 'gate');
    const script = `while [ ! -e ${gate} ]; do sleep 0.05; done; echo from a file`;
    const file = grid.file('hello.yaml', `name: hello\ncommand: [sh, -c, "${script}"]\ntimeout: 1m\n`);
    const run = grid.start('run', file);
    // One that has ended before it is watched is told to be over, and nothing before.
    while (!run.stderr.includes(' on forge')) await once(run.child.stderr, 'data');
    grid.file('gate', '');
    const { code, stdout, stderr } = await run.end();
    expect(stdout).toBe('from a file\n');
    expect(stderr).toMatch(/^t\d+ succeeded$/m);
    expect(stderr).toMatch(/^t\d+ is (leased|running) on forge, try 1$/m);
    expect(code).toBe(0);
  });
});

describe('a task by its id', () => {
  it('is listed, shown, and its output read again', async () => {
    const id = await grid.submit('--', 'echo', 'once');
    expect((await grid.grid('wait', id)).code).toBe(0);
    expect((await grid.grid('logs', id)).stdout).toBe('once\n');
    expect((await grid.grid('logs', id, '--json')).stdout).toBe('{"text":"once\\n"}\n');
    const silent = await grid.submit('--', 'true');
    expect((await grid.grid('wait', silent)).code).toBe(0);
    expect(await grid.grid('logs', silent)).toEqual({ code: 0, stdout: '', stderr: '' });
    const listed = await grid.json<TaskJson[]>('ps', '-a');
    expect(listed.find((task) => task.id === id)).toMatchObject({ state: 'succeeded' });
    expect((await grid.json<TaskJson[]>('ps')).some((task) => task.id === id)).toBe(false);
    expect((await grid.grid('show', id)).stdout).toContain('succeeded');
  });

  it('is followed from before it runs until it ends', async () => {
    const id = await grid.submit('--', 'sh', '-c', 'echo first; read line < gate; echo last');
    const logs = grid.start('logs', '-f', id);
    expect((await logs.end()).stdout).toContain('first\n');
  });

  it('is cancelled while it runs', async () => {
    const id = await startLong();
    expect((await grid.grid('cancel', id)).stdout).toContain('is being cancelled');
    expect(await grid.json<TaskJson>('wait', id)).toMatchObject({
      state: 'cancelled',
      exitCode: expect.anything(),
    });
    expect((await grid.grid('cancel', id)).stdout).toContain('is cancelled');
  });

  it('is retried as a new one', async () => {
    const first = await grid.submit('--name', 'again', '--', 'sh', '-c', 'echo no; exit 1');
    expect((await grid.grid('wait', first)).code).toBe(1);
    const { id, retryOf } = await grid.json<{ id: string; retryOf: string }>('retry', first);
    expect(retryOf).toBe(first);
    expect(id).not.toBe(first);
    expect((await grid.grid('wait', id)).code).toBe(1);
    expect((await grid.grid('logs', id)).stdout).toBe('no\n');
    expect(await grid.json('show', id)).toMatchObject({ name: 'again' });
  });

  it('is made once for one key', async () => {
    const id = await grid.submit('--key', 'k1', '--', 'true');
    expect(await grid.submit('--key', 'k1', '--', 'true')).toBe(id);
    const { code, stderr } = await grid.grid('submit', '--key', 'k1', '--', 'false');
    expect(stderr).toContain('rejected.key-conflict');
    expect(code).toBe(3);
  });

  it('that never was is not found', async () => {
    for (const command of ['show', 'logs', 'wait', 'cancel', 'retry', 'explain']) {
      const { code, stderr } = await grid.grid(command, 't999999');
      expect(stderr).toContain('no task t999999');
      expect(code).toBe(3);
    }
  });
});

describe('explain', () => {
  it('of one that ran shows the scores it was placed by', async () => {
    const id = await grid.submit('--', 'true');
    await grid.grid('wait', id);
    expect(await grid.json('explain', id)).toMatchObject({
      id,
      when: 'placed',
      decision: expect.stringContaining('placed on forge'),
      workers: [{ name: 'forge', feasible: true, scores: expect.anything(), total: expect.any(Number) }],
    });
  });

  it('of one that waits says for what', async () => {
    expect((await grid.grid('node', 'drain', 'forge')).stdout).toContain('forge is draining');
    const id = await grid.submit('--', 'true');
    expect(await grid.json('explain', id)).toMatchObject({
      state: 'waiting',
      when: 'now',
      workers: [{ name: 'forge', feasible: false, reasons: [expect.stringContaining('drain')] }],
    });
    expect((await grid.grid('explain', id)).stdout).toContain('cannot take it now');
    expect((await grid.grid('node', 'resume', 'forge')).stdout).toContain('forge is ready');
    expect((await grid.grid('wait', id)).code).toBe(0);
  });

  it('an impossible request is refused at once, with the reason', async () => {
    const { code, stderr } = await grid.grid('submit', '--memory', '900TiB', '--', 'true');
    expect(stderr).toContain('900 TiB asked');
    expect(code).toBe(3);
  });

  it('of one that was refused says why each worker could not take it', async () => {
    const { stderr } = await grid.grid('submit', '--memory', '900TiB', '--', 'true');
    const id = /grid explain (r[\d.]+)/.exec(stderr)?.[1] ?? '';
    expect(await grid.json('explain', id)).toMatchObject({
      id,
      state: 'refused',
      when: 'refused',
      decision: expect.stringContaining('900 TiB asked'),
      workers: [{ name: 'forge', feasible: false, reasons: [expect.stringContaining('900 TiB asked')] }],
    });
    expect((await grid.grid('explain', id)).stdout).toMatch(
      new RegExp(`^${id} refused: .*forge[^]*could not take it:\n.*900 TiB asked`),
    );
    const unknown = await grid.grid('explain', 'r1.999999');
    expect(unknown.stderr).toContain('no refusal r1.999999 is remembered');
    expect(unknown.code).toBe(3);
  });

  it('--dry-run shows the placement and places nothing', async () => {
    const before = await grid.json<TaskJson[]>('ps', '-a');
    const placed = await grid.grid('submit', '--dry-run', '--json', '--cpu', '0.5', '--', 'true');
    expect(JSON.parse(placed.stdout)).toMatchObject({ when: 'now', workers: [{ feasible: true }] });
    expect(placed.code).toBe(0);
    const { code, stdout } = await grid.grid('submit', '--dry-run', '--json', '--gpu', '1', '--', 'true');
    expect(JSON.parse(stdout)).toMatchObject({
      decision: expect.stringContaining('impossible'),
      workers: [{ feasible: false }],
    });
    expect(code).toBe(3);
    expect(await grid.json<TaskJson[]>('ps', '-a')).toHaveLength(before.length);
  });
});

describe('the machine', () => {
  it('is listed and shown', async () => {
    const [node] = await grid.json<{ id: string }[]>('nodes');
    expect(node).toMatchObject({
      name: 'forge',
      state: 'ready',
      devices: [],
      capabilities: expect.arrayContaining(['process']),
    });
    expect(await grid.json('node', 'show', node?.id ?? '')).toMatchObject({ name: 'forge' });
    expect((await grid.grid('node', 'show', 'anvil')).code).toBe(3);
  });

  it('tells the placement policy in force, and promotes none on too little history', async () => {
    expect(await grid.json('evolve')).toMatchObject({ inForce: { version: 0 }, previous: null, watch: null });
    const found = await grid.json<{ readonly why: string }>('evolve', '--replay');
    expect(found).toMatchObject({ policy: { version: 0 }, promotes: false, promoted: null });
    expect(found.why).toContain('tasks to judge by are too few');
    expect((await grid.grid('evolve', '--rollback')).code).toBe(3);
  });

  it('is seen by top, once in a pipe', async () => {
    const { code, stdout } = await grid.grid('top');
    expect(stdout).toContain('forge');
    expect(code).toBe(0);
    expect(await grid.json('top', '--once')).toMatchObject({
      status: { connected: 1 },
      nodes: [{ name: 'forge' }],
    });
  });
});
