/**
 * What makes a container task a service: ports that others connect to, and how it is known to be well. (When it is begun
 * again stands in the envelope: the broker does that.)
 */
import { z } from 'zod';
import { limits } from './limits.ts';
import { argument } from './task-text.ts';

export const portProtocols = ['tcp', 'udp'] as const;
export type PortProtocol = (typeof portProtocols)[number];

/** `loopback`: the machine alone can connect. `all`: whoever reaches the machine. */
export const portBinds = ['loopback', 'all'] as const;
export type PortBind = (typeof portBinds)[number];

export function isPortName(name: string): boolean {
  return /^[a-z0-9][a-z0-9-]{0,31}$/.test(name);
}

const maxPort = 65_535;
/** Below are the ports of the machine's own services. */
export const leastHostPort = 1024;
const portNumber = z.number().int().min(1).max(maxPort);

const portSchema = z.strictObject({
  name: z.string().refine(isPortName, 'expected a name of lower-case letters, digits and "-"').optional(),
  /** In the container. */
  port: portNumber,
  protocol: z.enum(portProtocols).default('tcp'),
  /** Of the machine; without it the engine takes one that is free. */
  host: z.number().int().min(leastHostPort).max(maxPort).optional(),
  bind: z.enum(portBinds).default('loopback'),
});
export const portsSchema = z.array(portSchema).min(1).max(limits.ports);
export type Port = z.infer<typeof portSchema>;

const secondMs = 1000;
const hourMs = 3600_000;

/** Bounds of the times of a check, in ms, and of `retries`. */
export const healthBounds = {
  interval: [secondMs, hourMs],
  timeout: [100, 60_000],
  retries: [1, 100],
  startPeriod: [0, hourMs],
} as const;
const within = ([least, most]: readonly [number, number]) => z.number().int().min(least).max(most);

/** A check each `intervalMs`. Failures in the first `startPeriodMs`, before it was ever well, do not count. */
export const healthSchema = z.strictObject({
  /** Well is an answer with a status from 200 to 399. */
  http: z
    .strictObject({
      port: portNumber,
      path: z
        .string()
        .max(1024)
        .regex(/^\/[!-~]*$/, 'expected a path such as /health')
        .default('/'),
    })
    .optional(),
  /** Well is a connection. */
  tcp: portNumber.optional(),
  /** Runs in the container; well is exit code 0. */
  command: z.array(argument).min(1).max(256).optional(),
  intervalMs: within(healthBounds.interval).default(10_000),
  timeoutMs: within(healthBounds.timeout).default(5000),
  /** So many failures in a row, and it is unhealthy: its attempt is ended. */
  retries: within(healthBounds.retries).default(3),
  startPeriodMs: within(healthBounds.startPeriod).default(30_000),
});
export type HealthCheck = z.infer<typeof healthSchema>;

interface Drafted {
  readonly network?: string | undefined;
  readonly ports?: readonly z.input<typeof portSchema>[] | undefined;
  readonly health?: z.input<typeof healthSchema> | undefined;
}

/** What is wrong with the parts together, by the path of the part. */
export function serviceProblems({
  network = 'none',
  ports = [],
  health,
}: Drafted): readonly { readonly path: string; readonly words: string }[] {
  const problems: { path: string; words: string }[] = [];
  if (ports.length > 0 && network === 'none')
    problems.push({
      path: 'ports',
      words: 'no port is reached without a network: expected network bridge or host',
    });
  for (const [index, { name, port, protocol = 'tcp', host }] of ports.entries()) {
    const earlier = ports.slice(0, index);
    const twice = (isSame: (one: (typeof ports)[number]) => boolean, what: string) => {
      if (earlier.some(isSame)) problems.push({ path: `ports[${index}]`, words: `${what} is there twice` });
    };
    const alike = (one: (typeof ports)[number]) => (one.protocol ?? 'tcp') === protocol;
    twice((one) => alike(one) && one.port === port, `${port}/${protocol}`);
    if (name !== undefined) twice((one) => one.name === name, `the name ${name}`);
    if (host !== undefined) twice((one) => alike(one) && one.host === host, `host port ${host}/${protocol}`);
    if (network === 'host' && host !== undefined && host !== port) {
      const words = `found ${host}, expected ${port}: in network host a port is the machine's own`;
      problems.push({ path: `ports[${index}].host`, words });
    }
  }
  if (health === undefined) return problems;
  const { http, tcp, command } = health;
  if ([http, tcp, command].filter((check) => check !== undefined).length !== 1)
    problems.push({ path: 'health', words: 'expected one of http, tcp and command' });
  if ((http !== undefined || tcp !== undefined) && network === 'none')
    problems.push({ path: 'health', words: 'http and tcp need a network: expected network bridge or host' });
  return problems;
}
