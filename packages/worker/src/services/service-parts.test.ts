/** What the engine is told of a service, what it tells of it, and what a container remembers. */
import { containerBodySchema } from '@gryphgen/protocol';
import { describe, expect, it } from 'vitest';
import { engineHealth, healthcheck } from './engine-health.ts';
import { publishedPorts, publishing } from './published-ports.ts';
import { readService, writeService } from './service-label.ts';

const body = (more: object) => containerBodySchema.parse({ image: 'x', command: [], ...more });
const ports = [
  { name: 'web', port: 80, host: 8080, bind: 'all' },
  { port: 53, protocol: 'udp' },
];
const health = { command: ['pg_isready', '-q'], intervalMs: 2000, retries: 4 };
const service = body({ network: 'bridge', ports, health });

describe('ports', () => {
  it('are bound where the task says, at a free port where it names none', () => {
    expect(publishing(service)).toEqual({
      ExposedPorts: { '80/tcp': {}, '53/udp': {} },
      PortBindings: {
        '80/tcp': [{ HostIp: '0.0.0.0', HostPort: '8080' }],
        '53/udp': [{ HostIp: '127.0.0.1', HostPort: '' }],
      },
    });
    expect(publishing(body({}))).toEqual({ ExposedPorts: {}, PortBindings: {} });
  });

  it('are where the engine has bound them; one that it has not is not told', () => {
    const bound = {
      '80/tcp': [
        { HostIp: '::', HostPort: '1' },
        { HostIp: '0.0.0.0', HostPort: '8080' },
      ],
      '53/udp': null,
    };
    expect(publishedPorts(service, { Ports: bound as never })).toEqual([
      { name: 'web', port: 80, protocol: 'tcp', bind: 'all', hostPort: 8080 },
    ]);
  });

  it('of the machine’s own network are what they are', () => {
    const host = body({ network: 'host', ports: [{ port: 9000 }] });
    expect(publishing(host).PortBindings).toEqual({});
    expect(publishedPorts(host, { Ports: {} })).toMatchObject([{ port: 9000, hostPort: 9000 }]);
  });
});

describe('a check by a command', () => {
  it('is the engine’s', () => {
    expect(healthcheck(service)).toEqual({
      Healthcheck: {
        Test: ['CMD', 'pg_isready', '-q'],
        Interval: 2e9,
        Timeout: 5e9,
        Retries: 4,
        StartPeriod: 30e9,
      },
    });
    expect(healthcheck(body({ network: 'bridge', health: { tcp: 1 } }))).toEqual({});
  });

  const said = (Status: string, ExitCode = 0, Output = '') =>
    engineHealth({ State: { Health: { Status, Log: [{ ExitCode, Output }] } } } as never);
  it('is told as the engine tells it, with what the command said last', () => {
    expect(said('healthy')).toEqual({ state: 'healthy', words: '' });
    const words = 'its check exited with code 2: no response';
    expect(said('unhealthy', 2, 'no response\n')).toEqual({ state: 'unhealthy', words });
    expect(said('starting', 1)).toEqual({ state: 'starting', words: 'its check exited with code 1' });
    expect(engineHealth({ State: {} } as never)).toEqual({ state: 'starting', words: '' });
    expect(said('unhealthy', 1, 'x'.repeat(9999)).words.length).toBeLessThanOrEqual(256);
  });
});

describe('a container', () => {
  it('remembers its service', () => {
    const { network, ports: published, health: check } = service;
    expect(readService(writeService(service))).toEqual({ network, ports: published, health: check });
  });

  it('without one remembers nothing, and nothing is read of what is not ours', () => {
    expect(writeService(body({}))).toEqual({});
    for (const label of ['', '{', '{"network":"x"}', 'null'])
      expect(readService({ 'gryphgen.service': label })).toBeUndefined();
    expect(readService({})).toBeUndefined();
  });
});
