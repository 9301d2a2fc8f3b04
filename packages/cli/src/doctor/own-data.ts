/**
 * How others have what the worker of this machine keeps (logs, files, answers): straight at its data endpoint, or by the relay
 * beside the broker. Whether a firewall is in the way only they can tell; a NAT, and a port that is shut here too, are seen here.
 */
import { BlockList, isIPv6 } from 'node:net';
import type { Check } from './check.ts';

export interface OwnData {
  /** As its worker tells it, or would take it: a port may be `*`; '' for none. */
  readonly endpoint: string;
  /** Whether it answers on this machine itself; undefined where it was not tried. */
  readonly answersHere?: boolean | undefined;
  /** The addresses of the connection to the broker; absent where there is none by TCP. */
  readonly towards?: { readonly from: string; readonly to: string } | undefined;
}

const byRelay = 'others have its data by the relay beside the broker';
const elsewhere = '"grid node show NAME" on another machine tries it, and says which way it takes';

export function checkOwnData({ endpoint, answersHere, towards }: OwnData): Check {
  const name = 'data';
  if (endpoint === '')
    return { name, state: 'ok', found: `no port of its own (--data-endpoint none): ${byRelay}` };
  if (endpoint.startsWith('ipc:')) {
    const who = towards === undefined ? 'all of the grid is here' : byRelay;
    return { name, state: 'ok', found: `${endpoint} is a socket of this machine: ${who}` };
  }
  if (answersHere === false)
    return {
      name,
      state: 'warning',
      found: `${endpoint} does not answer, not even here: ${byRelay}`,
      fix: "open it in this machine's firewall, or name another with grid worker --data-endpoint",
    };
  const where = endpoint.replace(/^tcp:\/\/(.+):\*$/, 'a free port of $1');
  if (towards !== undefined && isPrivate(towards.from) && !isPrivate(towards.to))
    return {
      name,
      state: 'ok',
      found: `${where} is behind a NAT: who is not in this network has its data by the relay beside the broker`,
      fix: 'nothing need be done; straight is faster: an address of a VPN that they share, by grid worker --data-endpoint tcp://ADDRESS:PORT',
    };
  return {
    name,
    state: 'ok',
    found: `${where}: straight for who reaches it, else by the relay; ${elsewhere}`,
  };
}

/** Of no use beyond a network of somebody's own (RFC 1918, 4193, 6598; link-local, loopback). */
function isPrivate(address: string): boolean {
  return privateNetworks.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

const privateNetworks = new BlockList();
for (const [network, bits] of [
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const)
  privateNetworks.addSubnet(network, bits, 'ipv4');
privateNetworks.addSubnet('fc00::', 7, 'ipv6');
privateNetworks.addSubnet('fe80::', 10, 'ipv6');
privateNetworks.addAddress('::1', 'ipv6');
