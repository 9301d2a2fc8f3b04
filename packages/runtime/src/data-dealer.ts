/** The socket of who connects to a data endpoint, or to the relay that stands for one: with keys of this connection alone. */
import { curveKeyPair, Dealer } from 'zeromq';
import { maxDataFrameBytes } from './data-wire.ts';
import { deadConnectionOptions } from './dead-connections.ts';
import { openSocket } from './open-socket.ts';

/** For the cancel of a reader that has seen enough. */
const lingerMs = 200;

/**
 * `highWaterMark`: frames that wait there at most, either way. Without, what waits to be sent is bounded by the bytes that the
 * other side has granted: a bound by frames would end a session for many small pieces. Throws as `openSocket` does.
 */
export function openDataDealer(dataKey: string, highWaterMark?: number): Dealer {
  const { publicKey, secretKey } = curveKeyPair();
  return openSocket(
    () =>
      new Dealer({
        linger: lingerMs,
        sendTimeout: 0,
        sendHighWaterMark: highWaterMark ?? 0,
        ...(highWaterMark !== undefined && { receiveHighWaterMark: highWaterMark }),
        maxMessageSize: maxDataFrameBytes,
        ...deadConnectionOptions,
        curvePublicKey: publicKey,
        curveSecretKey: secretKey,
        curveServerKey: dataKey,
      }),
  );
}
