/** A service, as a file and as flags describe it. */
import { describe, expect, it } from 'vitest';
import { health, publish } from '../service-flags.ts';
import { readTaskFile } from './task-file.ts';

const read = (text: string) =>
  readTaskFile('a.yaml', Buffer.from(`image: busybox\nnetwork: bridge\n${text}`));

it('a file says its ports, its health and when it is begun again', () => {
  const text = `ports: [{ name: web, port: 80, host: 8080, bind: all }, { port: 53, protocol: udp }]
health: { http: { port: 80, path: /health }, interval: 5s, timeout: 2s, retries: 2, startPeriod: 1m }
restart: on-failure
retries: { backoff: 2s }
`;
  expect(read(text)).toMatchObject({
    ok: true,
    spec: {
      restart: 'on-failure',
      retries: { limit: 0, backoffMs: 2000 },
      body: {
        ports: [
          { name: 'web', port: 80, host: 8080, bind: 'all' },
          { port: 53, protocol: 'udp' },
        ],
        health: {
          http: { port: 80, path: '/health' },
          intervalMs: 5000,
          timeoutMs: 2000,
          retries: 2,
          startPeriodMs: 60_000,
        },
      },
    },
  });
});

it('what is not asked for does not travel', () => {
  const plain = read('restart: never\n');
  expect(plain).toMatchObject({ ok: true });
  expect(JSON.stringify(plain)).not.toMatch(/ports|health|restart/);
});

it.each<[string, string]>([
  ['ports: []', '3:1: ports: found none'],
  ['ports: [{ name: web }]', '3:9: ports[0]: expected a port'],
  ['ports: [{ port: 80, host: 80 }]', '3:27: ports[0].host: found 80, expected a whole number from 1024'],
  ['ports: [{ port: 80 }, { port: 80 }]', '3:23: ports[1]: 80/tcp is there twice'],
  [
    'ports: [{ port: 80, bind: 10.0.0.1 }]',
    '3:27: ports[0].bind: found "10.0.0.1", expected one of loopback',
  ],
  ['health: { tcp: 80, http: { port: 80 } }', '3:1: health: expected one of http, tcp and command'],
  ['health: { http: { path: /x } }', '3:11: health.http: expected a port'],
  [
    'health: { tcp: 80, interval: 10ms }',
    '3:30: health.interval: found "10ms", expected a duration from 1 s to 1 h',
  ],
  ['restart: always\nretries: { limit: 3 }', '4:12: retries.limit: restart always has no limit'],
  ['restart: sometimes', '3:10: restart: found "sometimes", expected one of never, on-failure, always'],
])('%j is refused with its place', (text, words) => {
  const made = read(`${text}\n`);
  expect(made.ok ? [] : made.problems.map((line) => line.replace('a.yaml:', ''))).toEqual([
    expect.stringContaining(words),
  ]);
});

it('ports need a network, and a container', () => {
  const closed = readTaskFile('a.yaml', Buffer.from('image: busybox\nports: [{ port: 80 }]\n'));
  expect(closed).toMatchObject({
    ok: false,
    problems: [expect.stringContaining('2:1: ports: no port is reached without a network')],
  });
  const bare = readTaskFile('a.yaml', Buffer.from('command: [x]\nports: [{ port: 80 }]\n'));
  expect(bare).toMatchObject({ ok: false, problems: [expect.stringContaining('the ports of its machine')] });
});

describe('flags', () => {
  it.each<[string, object]>([
    ['8888', { port: 8888 }],
    ['web=8080:80', { name: 'web', host: 8080, port: 80 }],
    ['all:8888', { bind: 'all', port: 8888 }],
    ['dns=loopback:5353:53/udp', { name: 'dns', bind: 'loopback', host: 5353, port: 53, protocol: 'udp' }],
  ])('--publish %s', (written, port) => expect(publish.parse(written)).toEqual(port));

  it.each(['', '0', '70000', '80:80', 'x:80', 'Web=80', '=80', '80/sctp', '1:2:3'])(
    '--publish %o is refused',
    (written) => expect(publish.parse(written)).toBeUndefined(),
  );

  it.each<[string, object]>([
    ['http:80', { http: { port: 80 } }],
    ['http:80/a?b=c', { http: { port: 80, path: '/a?b=c' } }],
    ['tcp:5432', { tcp: 5432 }],
  ])('--health %s', (written, check) => expect(health.parse(written)).toEqual(check));

  it.each(['http', 'tcp:80/x', 'http:0', 'http:80/a b', 'udp:1'])('--health %o is refused', (written) =>
    expect(health.parse(written)).toBeUndefined(),
  );
});
