/** What other machines call this one. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';

const everyAddress = ['0.0.0.0', '*', '[::]'];
/** Networks inside this machine: containers' and virtual machines'. */
const inside = /^(docker|br-|veth|virbr|cni|lxc|podman)/;
/** Discard (RFC 863); nothing is sent there. */
const anyPort = 9;

/**
 * Where an endpoint that is listened at is found from other machines: at every address of this one when it listens at
 * all of them, and nowhere when it is this machine's alone.
 */
export function reachable(endpoint: string): readonly string[] {
  const { host, port } = tcpOf(endpoint) ?? {};
  if (host === undefined || isLoopback(host)) return [];
  if (!everyAddress.includes(host)) return [endpoint];
  return Object.entries(networkInterfaces())
    .filter(([name]) => !inside.test(name))
    .flatMap(([, addresses]) => addresses ?? [])
    .filter(
      ({ internal, family, scopeid }) => !internal && (family === 'IPv4' || (host === '[::]' && !scopeid)),
    )
    .map(({ address }) => `tcp://${inEndpoint(address)}:${port}`);
}

/** Which of this machine's addresses what listens at `endpoint` sees. Rejects when there is no way there, or no such name. */
export async function addressTowards(endpoint: string): Promise<string | undefined> {
  const { host } = tcpOf(endpoint) ?? {};
  if (host === undefined || isLoopback(host)) return undefined;
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  const socket = createSocket(isIPv6(bare) ? 'udp6' : 'udp4');
  try {
    socket.connect(anyPort, bare);
    await once(socket, 'connect');
    return inEndpoint(socket.address().address);
  } finally {
    socket.close();
  }
}

function tcpOf(endpoint: string): { readonly host: string; readonly port: string } | undefined {
  const [, host, port] = /^tcp:\/\/(.+):([0-9]+|\*)$/.exec(endpoint) ?? [];
  return host === undefined || port === undefined ? undefined : { host, port };
}

function inEndpoint(address: string): string {
  return isIPv6(address) ? `[${address}]` : address;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || host.startsWith('127.');
}
