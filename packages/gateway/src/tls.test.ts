/** With a certificate of its own the gateway speaks TLS, and refuses what is none. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { GatewayFixture } from './gateway.fixture.ts';

const fixture = new GatewayFixture();
const run = promisify(execFile);

it('answers by TLS to who trusts its certificate, and to nobody in the clear', async () => {
  const [cert, key] = [join(fixture.home, 'grid.crt'), join(fixture.home, 'grid.key')];
  const name = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const made = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '2',
  ];
  await run('openssl', [...made, ...name, '-keyout', key, '-out', cert]);
  const tls = { cert: await readFile(cert), key: await readFile(key) };
  const url = await fixture.open({}, tls);
  expect(url).toMatch(/^https:/);
  const asked = request(`${url}/health`, { ca: tls.cert, agent: false });
  asked.end();
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  answer.resume();
  expect(answer.statusCode).toBe(200);
  expect(await fixture.raw(url, 'GET /health HTTP/1.1\r\nhost: x\r\n\r\n')).not.toContain('200');
});

it('is not begun with what is no certificate', async () => {
  const tls = { cert: Buffer.from('no'), key: Buffer.from('no') };
  await expect(fixture.open({}, tls)).rejects.toThrow('--tls-cert and --tls-key: ');
});
