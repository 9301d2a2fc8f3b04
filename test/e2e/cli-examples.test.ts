/** Every file of docs/examples does what it says, as it is. */
import { execFile } from 'node:child_process';
import { copyFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { tinyLlama, writeGguf } from '@gryphgen/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { llamaProgram } from '../conformance/llama-program.ts';
import { GridFixture } from './cli-grid.fixture.ts';

const folder = join(import.meta.dirname, '../../docs/examples');
const policy = join(folder, 'policy.yaml');
const grid = new GridFixture();
beforeAll(async () => {
  grid.env.GRID_LLAMA_SERVER = llamaProgram('llama-server');
  copyFileSync(join(folder, 'quotas.json'), join(grid.home, 'config.json'));
  const { code, stderr } = await grid.grid('up', '--detach', '--name', 'forge', '--policy', policy);
  if (code !== 0) throw new Error(stderr);
});
afterAll(() => grid.stop());

const checks: Readonly<Record<string, (file: string) => Promise<void>>> = {
  'hello.yaml': async (file) => {
    const { code, stdout } = await grid.grid('run', file);
    expect(stdout).toMatch(/^hello from [0-9a-f]{12}\n$/);
    expect(code).toBe(0);
  },
  'process.yaml': async (file) => {
    const { code, stdout } = await grid.grid('run', file);
    expect(stdout).toBe('1\n2\n3\n');
    expect(code).toBe(0);
  },
  // What ran here says nothing of a policy yet: there is too little of it, and one machine.
  'evolve.mjs': async (file) => {
    const says =
      /^version 0 is in force: fit 0\.44, .*\n[0-9]+ tasks replayed, under 0 other policies: [0-9]+ tasks to judge by are too few: 120 are needed\n$/;
    expect(await programSays(file)).toMatch(says);
    expect(await programSays(file, 'promote')).toMatch(says);
  },
  'files.yaml': async (file) => {
    const { id, outputs } = await grid.json<{ id: string; outputs: object[] }>('submit', file, '--wait');
    expect(outputs).toMatchObject([{ path: '/out/count', bytes: 2, copied: true }]);
    expect((await grid.grid('get', id)).stdout).toBe('count  2 B\n');
    expect(readFileSync(join(grid.home, 'count'), 'utf8')).toBe('2\n');
  },
  'closed.yaml': async (file) => {
    const { code, stdout } = await grid.grid('run', file);
    expect(stdout).toBe('1000\n256\nlo\n16384\n');
    expect(code).toBe(0);
  },
  'service.yaml': async (file) => {
    const id = await grid.submit(file);
    const shown = () =>
      grid.json<{ health?: { state: string }; addresses?: { address: string }[] }>('show', id);
    let service = await shown();
    while (service.health?.state !== 'healthy') service = await shown();
    const page = await fetch(`http://${service.addresses?.[0]?.address}/`);
    expect(await page.text()).toBe('hello\n');
    expect((await grid.grid('cancel', id)).code).toBe(0);
    expect((await grid.grid('wait', id)).code).toBe(4);
  },
  // Nor such a folder: a mount is offered when it is there.
  'mount.yaml': async (file) => {
    const { code, stderr } = await grid.grid('submit', file);
    expect(stderr).toContain('has no mount named data');
    expect(code).toBe(3);
  },
  // It is that of the worker here.
  'policy.yaml': async () => {
    const [node] = await grid.json<{ offers: { images: readonly string[] } }[]>('nodes');
    expect(node?.offers.images).toEqual(['busybox', 'ghcr.io/acme/*', 'node:20*']);
  },
  // The machines of CI have no such card: refused at once, with the reason.
  'gpu-part.yaml': async (file) => {
    const { code, stderr } = await grid.grid('submit', file);
    expect(stderr).toContain('has no device');
    expect(code).toBe(3);
  },
  'infer.yaml': async (file) => {
    await addTiny();
    const { id, answer } = await grid.json<{ id: string; answer: { status: number; tokens: object } }>(
      ...['submit', file, '--wait'],
    );
    expect(answer).toMatchObject({ status: 200, tokens: { output: expect.any(Number) } });
    expect((await grid.grid('show', id)).stdout).toContain('tiny');
  },
  'trace-nodes.csv': (file) => simulates(file, join(folder, 'trace-tasks.csv')),
  'trace-tasks.csv': (file) => simulates(join(folder, 'trace-nodes.csv'), file),
  'ask.mjs': async (file) => {
    await addTiny();
    const page = join(folder, '../join.md');
    expect((await grid.grid('rag', 'add', 'docs', page)).code).toBe(0);
    expect(await programSays(file)).toMatch(/\n\[1\] .*join\.md:[0-9]+-[0-9]+\n$/);
    // What it holds of a small machine is what the next example waits for.
    expect((await grid.grid('models', 'rm', 'tiny')).code).toBe(0);
  },
  // They are those of the broker here.
  'quotas.json': async () => {
    const principals = await grid.json<{ limits: object }[]>('principal', 'ls');
    expect(principals[0]?.limits).toMatchObject({ queued: 5000, running: 64 });
  },
  'collection.mjs': async () => {
    const letter = grid.file('letter.md', 'Ada (ada@example.org, +49 30 1234567) is late.\n');
    const program = join(folder, 'collection.mjs');
    const args = [program, 'letters', join(grid.home, letter), 'who is late?'];
    const { stdout } = await promisify(execFile)(process.execPath, args, { env: grid.env });
    expect(stdout).toMatch(
      /^1 read, 0 as before\n.*letter\.md:1-1\nAda \(EMAIL-[0-9a-f]{16}, PHONE-[0-9a-f]{16}\) is late\.\nAda \(ada@example\.org, \+49 30 1234567\) is late\.\n$/,
    );
  },
  'sdk.mjs': async (file) => {
    expect(await programSays(file)).toBe('1 4 9 16 25 36 49 64 81 100\n');
  },
};

async function addTiny(): Promise<void> {
  // Asked for an answer from passages it says that there is one, in the first of them.
  const { metadata, tensors } = tinyLlama({ favours: ['"', 't', '1', ']', '}'] });
  await writeGguf(join(grid.home, 'tiny.gguf'), metadata, tensors);
  expect((await grid.grid('models', 'add', 'tiny', 'tiny.gguf')).code).toBe(0);
}

async function programSays(file: string, ...args: readonly string[]): Promise<string> {
  return (await promisify(execFile)(process.execPath, [file, ...args], { env: grid.env })).stdout;
}

async function simulates(nodes: string, tasks: string): Promise<void> {
  const found = await grid.json<{ gpus: number; allocAtRatio: number }>(
    ...['simulate', '--nodes', nodes, '--tasks', tasks],
  );
  expect(found.gpus).toBe(6);
  // Five of six, and at most all.
  expect(found.allocAtRatio).toBeGreaterThan(83);
  expect(found.allocAtRatio).toBeLessThanOrEqual(100);
}

it.each(readdirSync(folder))('%s', async (name) => {
  expect(Object.keys(checks)).toContain(name);
  await checks[name]?.(join(folder, name));
});
