import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { lockFolder } from './folder-lock.ts';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'gg-lock-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

function take(holder: string) {
  const taken = lockFolder(join(dir, 'home'), 'worker', holder);
  if ('heldBy' in taken) throw new Error(`held by ${taken.heldBy}`);
  return taken.lock;
}

it('is held by one at a time, who says who it is', () => {
  const first = take('the first');
  expect(() => take('the second')).toThrow('held by the first');
  first.release();
  take('the second').release();
});

it('ends with the process that holds it, however that ends, and not when that forgets it', async () => {
  const module = new URL('../dist/folder-lock.js', import.meta.url).href;
  const script = `import { lockFolder } from '${module}';
    lockFolder(process.argv[1], 'worker', 'a child');
    await new Promise(setImmediate);
    gc();
    await new Promise(setImmediate);
    process.stdout.write('locked');
    setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, [
    '--expose-gc',
    '--input-type=module',
    '-e',
    script,
    join(dir, 'home'),
  ]);
  await once(child.stdout, 'data');
  expect(() => take('the parent')).toThrow('held by a child');
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
  take('the parent').release();
});
