/**
 * A ROUTER that only admitted CURVE keys get through to, and that no peer holds up: `sendTimeout: 0` makes each send
 * succeed or fail at once, and `mandatory` makes it say so.
 */
import { Context, Router } from 'zeromq';
import { deadConnectionOptions } from './dead-connections.ts';
import { ZapHandler } from './zap.ts';

/** For the last words of a socket that is closed. */
const lingerMs = 200;
const handshakeMs = 10_000;

export interface GuardedRouterOptions {
  readonly admits: (curveKey: string, address: string) => boolean;
  readonly curveSecretKey: string;
  /** Frames libzmq may hold for one peer, each way. */
  readonly highWaterMark: number;
  readonly maxMessageBytes: number;
  /** Its name to the door. */
  readonly domain: string;
}

/** Neither is started. */
export function openGuardedRouter(options: GuardedRouterOptions): {
  readonly door: ZapHandler;
  readonly socket: Router;
} {
  const { admits, curveSecretKey, highWaterMark, maxMessageBytes, domain } = options;
  // A context of its own: a ZAP handler speaks for all sockets of one.
  const context = new Context();
  const door = new ZapHandler(context, admits);
  const socket = new Router({
    context,
    mandatory: true,
    sendTimeout: 0,
    sendHighWaterMark: highWaterMark,
    receiveHighWaterMark: highWaterMark,
    maxMessageSize: maxMessageBytes,
    linger: lingerMs,
    ...deadConnectionOptions,
    handshakeInterval: handshakeMs,
    curveServer: true,
    curveSecretKey,
    zapDomain: domain,
  });
  return { door, socket };
}
