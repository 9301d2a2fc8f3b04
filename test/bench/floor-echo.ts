/** What the wire allows: frames of coalesced messages to a bare CURVE ROUTER in another process and back. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { curveKeyPair, Dealer } from 'zeromq';
import type { EchoAddress } from './processes/echo.ts';

const messageBytes = 100;
/** A few frames under way, as between the grid's processes. */
const framesUnderWay = 4;

/** Messages a second, there and back. */
export async function echoFloor(messages: number, outstanding: number): Promise<number> {
  const echo = fork(fileURLToPath(new URL('./processes/echo.ts', import.meta.url)), {
    execArgv: ['--import', 'tsx'],
    stdio: ['ignore', 2, 2, 'ipc'],
  });
  const [address] = (await once(echo, 'message')) as [EchoAddress];
  const { publicKey, secretKey } = curveKeyPair();
  const dealer = new Dealer({
    curvePublicKey: publicKey,
    curveSecretKey: secretKey,
    curveServerKey: address.curveKey,
    linger: 0,
  });
  dealer.connect(address.endpoint);
  try {
    const perFrame = Math.max(1, Math.floor(outstanding / framesUnderWay));
    const send = () => dealer.send(Buffer.alloc(perFrame * messageBytes, 1));
    for (let frame = 0; frame < framesUnderWay; frame++) await send();
    // The first comes back when the connection stands.
    await dealer.receive();
    const begun = performance.now();
    const frames = Math.ceil(messages / perFrame);
    for (let frame = 0; frame < frames; frame++) {
      await send();
      await dealer.receive();
    }
    return (frames * perFrame * 1000) / (performance.now() - begun);
  } finally {
    dealer.close();
    const ended = once(echo, 'exit');
    echo.kill('SIGTERM');
    await ended;
  }
}
