import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { expect, it } from 'vitest';
import { createLog } from './log.ts';

it('says who speaks and hides secrets', () => {
  const lines: string[] = [];
  const log = createLog({ daemon: 'broker', level: 'info', to: { write: (line) => void lines.push(line) } });
  log.debug('nothing');
  log.info(
    { curve: { secretKey: 'S3CRET', publicKey: 'open' }, request: { headers: { authorization: 'S3CRET' } } },
    'up',
  );
  expect(lines).toHaveLength(1);
  expect(lines[0]).not.toContain('S3CRET');
  expect(JSON.parse(String(lines[0]))).toMatchObject({
    daemon: 'broker',
    msg: 'up',
    curve: { publicKey: 'open' },
  });
});

it('ends nobody when it cannot be written: the disk is full', async () => {
  const program = `
    const { createLog } = await import(${JSON.stringify(new URL('../dist/log.js', import.meta.url).href)});
    const log = createLog({ daemon: 'worker', level: 'info' });
    for (let line = 0; line < 20_000; line += 1) log.warn({ line }, 'no room: '.padEnd(100, '.'));
    await new Promise(setImmediate);
    console.log('still here', process.memoryUsage().rss < 512 * 2 ** 20);
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', openSync('/dev/full', 'w')],
  });
  const said: Buffer[] = [];
  child.stdout?.on('data', (chunk) => said.push(chunk));
  const [code] = await once(child, 'close');
  expect({ code, said: Buffer.concat(said).toString() }).toEqual({ code: 0, said: 'still here true\n' });
});
