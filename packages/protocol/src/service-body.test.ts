import { describe, expect, it } from 'vitest';
import { containerBodySchema } from './container-body.ts';
import { reaches } from './index.ts';
import { knownFields, needsOf } from './needs.ts';

const parse = (more: object) => containerBodySchema.parse({ image: 'busybox', command: [], ...more });
const problem = (more: object) => {
  const [issue] =
    containerBodySchema.safeParse({ image: 'busybox', command: [], ...more }).error?.issues ?? [];
  return `${issue?.path.join('.')}: ${issue?.message}`;
};
const web = { network: 'bridge', ports: [{ port: 80 }] };

describe('ports', () => {
  it('are of loopback and tcp, at a port of the engine’s choice, unless said', () => {
    expect(parse(web).ports).toEqual([{ port: 80, protocol: 'tcp', bind: 'loopback' }]);
  });

  it.each<[object, RegExp]>([
    [{ ports: [{ port: 80 }] }, /^: ports: no port is reached without a network/],
    [{ ...web, ports: [] }, /^ports: /],
    [{ ...web, ports: [{ port: 0 }] }, /^ports\.0\.port: /],
    [{ ...web, ports: [{ port: 80, host: 80 }] }, /^ports\.0\.host: /],
    [{ ...web, ports: [{ port: 80, name: 'Web' }] }, /^ports\.0\.name: /],
    [{ ...web, ports: [{ port: 80 }, { port: 80 }] }, /ports\[1\]: 80\/tcp is there twice/],
    [{ ...web, ports: [1, 2].map((port) => ({ port, name: 'a' })) }, /ports\[1\]: the name a is there twice/],
    [{ ...web, ports: [1, 2].map((port) => ({ port, host: 8080 })) }, /host port 8080\/tcp is there twice/],
    [{ network: 'host', ports: [{ port: 8080, host: 8081 }] }, /found 8081, expected 8080/],
    [{ ...web, ports: Array.from({ length: 17 }, (_, index) => ({ port: index + 1 })) }, /^ports: /],
  ])('%j are refused', (body, words) => expect(problem(body)).toMatch(words));

  it('may be the same of tcp and of udp', () => {
    const ports = [{ port: 53 }, { port: 53, protocol: 'udp' }];
    expect(parse({ ...web, ports }).ports).toHaveLength(2);
  });
});

describe('health', () => {
  it('has times where none are said', () => {
    expect(parse({ health: { command: ['true'] } }).health).toEqual({
      command: ['true'],
      intervalMs: 10_000,
      timeoutMs: 5000,
      retries: 3,
      startPeriodMs: 30_000,
    });
  });

  it.each<[object, RegExp]>([
    [{ health: {} }, /health: expected one of http, tcp and command/],
    [{ health: { tcp: 80, command: ['true'] } }, /health: expected one of/],
    [{ health: { tcp: 80 } }, /health: http and tcp need a network/],
    [{ ...web, health: { http: { port: 80, path: 'x' } } }, /^health\.http\.path: /],
    [{ ...web, health: { http: { port: 80, path: '/a b' } } }, /^health\.http\.path: /],
    [{ ...web, health: { tcp: 80, intervalMs: 999 } }, /^health\.intervalMs: /],
    [{ ...web, health: { tcp: 80, retries: 0 } }, /^health\.retries: /],
  ])('%j is refused', (body, words) => expect(problem(body)).toMatch(words));
});

describe('what a service needs', () => {
  it('is a worker that knows its fields and may publish as far as its farthest port', () => {
    const body = parse({ ...web, ports: [{ port: 80 }, { port: 81, bind: 'all' }], health: { tcp: 80 } });
    expect(needsOf(body, undefined)).toEqual({
      fields: ['health', 'ports'],
      network: 'bridge',
      ports: 'all',
    });
    expect(needsOf(parse(web), undefined)).toMatchObject({ ports: 'loopback' });
    expect(knownFields).toEqual(expect.arrayContaining(['health', 'ports']));
  });

  it('is met by an offer that goes as far', () => {
    expect([reaches(undefined, 'loopback'), reaches('loopback', 'all')]).toEqual([false, false]);
    expect([reaches('loopback', 'loopback'), reaches('all', 'loopback')]).toEqual([true, true]);
  });
});
