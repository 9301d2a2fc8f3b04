/** `scripts/quickstart.sh` on machines that lack something. What it installs and builds is there already: npm is a shim. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';

const script = join(import.meta.dirname, '../../scripts/quickstart.sh');
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gg quick-'));
  mkdirSync(join(folder, 'tmp'));
  mkdirSync(join(folder, 'bin'));
  program('npm', 'exit 0');
});
afterEach(() => rmSync(folder, { recursive: true }));

function program(name: string, body: string): void {
  writeFileSync(join(folder, 'bin', name), `#!/bin/sh\n${body}\n`);
  chmodSync(join(folder, 'bin', name), 0o755);
}

function start(): { readonly child: ChildProcessWithoutNullStreams; readonly said: () => string } {
  const env = {
    ...process.env,
    PATH: `${join(folder, 'bin')}:${process.env.PATH}`,
    TMPDIR: join(folder, 'tmp'),
    DOCKER_HOST: 'unix:///none',
  };
  const child = spawn(script, { cwd: '/', env });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (bytes: Buffer) => {
      text += bytes.toString();
    });
  return { child, said: () => text };
}

/** Its folder is empty, and no process knows of it. */
function expectNothingLeft(): void {
  expect(readdirSync(join(folder, 'tmp'))).toEqual([]);
  const mine = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && environmentOf(pid).includes(folder));
  expect(mine).toEqual([]);
}

function environmentOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8');
  } catch {
    return ''; // ended meanwhile, or somebody else's
  }
}

it('runs processes where no Docker engine answers, says so, and leaves nothing behind', async () => {
  const { child, said } = start();
  const [code] = await once(child, 'close');
  expect(said()).toMatch(/^hello from process \d+/m);
  expect(said()).toContain('no engine: there is no /none');
  expect(said()).toContain('apt-get install docker.io');
  expect(said()).toMatch(/^t1 succeeded: placed on /m);
  expect(said()).toMatch(/^t2 succeeded: placed on /m);
  expect(code).toBe(0);
  expectNothingLeft();
}, 120_000);

it('stopped in the middle, leaves nothing behind', async () => {
  const { child, said } = start();
  while (!said().includes('Starting a grid')) await once(child.stdout, 'data');
  child.kill('SIGTERM');
  const [code] = await once(child, 'close');
  expect(code).toBe(143);
  expect(said()).not.toContain('Done.');
  expectNothingLeft();
}, 120_000);

it('says that Node.js is too old before it does anything', async () => {
  program('node', '[ "$1" = --version ] && echo v18.20.4 && exit 0; exit 1');
  const { child, said } = start();
  const [code] = await once(child, 'close');
  expect(said()).toBe('Node.js v18.20.4 is too old: 20.19 or newer is needed, see docs/install.md\n');
  expect(code).toBe(1);
});
