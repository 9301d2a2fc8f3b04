/** A container's ports as the engine is told them, and where it has put them. */
import type { ContainerBody, Port, PortBind, PublishedPort } from '@gryphgen/protocol';
import type { ContainerInspectInfo } from 'dockerode';
import type { ServiceFacts } from './service-label.ts';

/** Of the machine's own addresses, by version 4 alone: of both the engine may pick two ports. */
const hostIps: Readonly<Record<PortBind, string>> = { loopback: '127.0.0.1', all: '0.0.0.0' };

interface Binding {
  readonly HostIp: string;
  readonly HostPort: string;
}

interface Publishing {
  readonly ExposedPorts: Record<string, object>;
  readonly PortBindings: Record<string, Binding[]>;
}

/** In network host a port is the machine's without any doing. */
export function publishing({ network, ports = [] }: ContainerBody): Publishing {
  const published = network === 'bridge' ? ports : [];
  return {
    ExposedPorts: Object.fromEntries(published.map((port) => [keyOf(port), {}])),
    PortBindings: Object.fromEntries(
      published.map((port) => [
        keyOf(port),
        [{ HostIp: hostIps[port.bind], HostPort: port.host === undefined ? '' : String(port.host) }],
      ]),
    ),
  };
}

/** Those that the engine has bound. */
export function publishedPorts(
  { network, ports = [] }: ServiceFacts,
  { Ports = {} }: Pick<ContainerInspectInfo['NetworkSettings'], 'Ports'>,
): readonly PublishedPort[] {
  return ports.flatMap((asked) => {
    const { name = '', port, protocol, bind } = asked;
    const bound = (Ports[keyOf(asked)] ?? []).find(({ HostIp }) => HostIp === hostIps[bind]);
    const hostPort = network === 'host' ? port : Number(bound?.HostPort ?? 0);
    return hostPort > 0 ? [{ name, port, protocol, bind, hostPort }] : [];
  });
}

function keyOf({ port, protocol }: Pick<Port, 'port' | 'protocol'>): string {
  return `${port}/${protocol}`;
}
