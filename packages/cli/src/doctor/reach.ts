/** Whether a connection to an endpoint comes about from here. Nothing is said there, so it needs no key. */
import { connect, type NetConnectOpts } from 'node:net';

/** For TCP's second try: as long as a transfer waits before it takes the relay. */
const reachMs = 3000;

export interface Reached {
  readonly endpoint: string;
  readonly ms: number;
  /** Addresses of this machine and of the other; '' of a socket of this machine. */
  readonly from: string;
  readonly to: string;
}

export interface Unreached {
  readonly endpoint: string;
  readonly why: string;
}

/** Within `reachMs`. */
export function reach(endpoint: string): Promise<Reached | Unreached> {
  const way = wayTo(endpoint);
  if (way === undefined) return Promise.resolve({ endpoint, why: 'expected tcp://HOST:PORT or ipc:///PATH' });
  return new Promise((resolve) => {
    const beganMono = performance.now();
    const socket = connect(way);
    const done = (found: Reached | Unreached): void => {
      clearTimeout(deadline);
      socket.destroy();
      resolve(found);
    };
    const deadline = setTimeout(
      () => done({ endpoint, why: `no answer within ${reachMs / 1000} s` }),
      reachMs,
    );
    socket.once('connect', () => {
      const ms = performance.now() - beganMono;
      const { localAddress: from = '', remoteAddress: to = '' } = socket;
      done({ endpoint, ms, from, to });
    });
    socket.once('error', (error) => done({ endpoint, why: wordsOf(error) }));
  });
}

function wayTo(endpoint: string): NetConnectOpts | undefined {
  if (endpoint.startsWith('ipc://')) return { path: endpoint.slice('ipc://'.length) };
  const [, host, port] = /^tcp:\/\/(.+):([0-9]+)$/.exec(endpoint) ?? [];
  return host === undefined ? undefined : { host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) };
}

function wordsOf(error: Error): string {
  switch ('code' in error ? error.code : '') {
    case 'ECONNREFUSED':
      return 'nobody listens there';
    case 'ENOENT':
      return 'there is no such socket';
    case 'EACCES':
      return 'this user may not open it';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'no such name is known here';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'there is no way there';
    case 'ETIMEDOUT':
      return 'no answer';
    default:
      return error.message;
  }
}
