/** What the wire allows: frames to a bare CURVE ROUTER in another process and back. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { curveKeyPair, Dealer } from 'zeromq';
import type { EchoAddress } from './processes/echo.ts';

const messageBytes = 100;
/** A few frames under way, as between the grid's processes. */
const framesUnderWay = 4;

export class Echo {
  private readonly child: ChildProcess;
  private readonly dealer: Dealer;

  private constructor(child: ChildProcess, dealer: Dealer) {
    this.child = child;
    this.dealer = dealer;
  }

  static async start(): Promise<Echo> {
    const child = fork(fileURLToPath(new URL('./processes/echo.ts', import.meta.url)), {
      execArgv: ['--import', 'tsx'],
      stdio: ['ignore', 2, 2, 'ipc'],
    });
    const [address] = (await once(child, 'message')) as [EchoAddress];
    const { publicKey, secretKey } = curveKeyPair();
    const dealer = new Dealer({
      curvePublicKey: publicKey,
      curveSecretKey: secretKey,
      curveServerKey: address.curveKey,
      linger: 0,
    });
    dealer.connect(address.endpoint);
    const echo = new Echo(child, dealer);
    // The first comes back when the connection stands.
    await echo.send(1);
    await echo.receive();
    return echo;
  }

  send(messages: number): Promise<void> {
    return this.dealer.send(Buffer.alloc(messages * messageBytes, 1));
  }

  async receive(): Promise<void> {
    await this.dealer.receive();
  }

  async stop(): Promise<void> {
    this.dealer.close();
    const ended = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    await ended;
  }
}

/** Frames of coalesced messages: messages a second, there and back. */
export async function echoFloor(messages: number, outstanding: number): Promise<number> {
  const echo = await Echo.start();
  try {
    const perFrame = Math.max(1, Math.floor(outstanding / framesUnderWay));
    for (let frame = 0; frame < framesUnderWay; frame++) await echo.send(perFrame);
    await echo.receive();
    const begun = performance.now();
    const frames = Math.ceil(messages / perFrame);
    for (let frame = 0; frame < frames; frame++) {
      await echo.send(perFrame);
      await echo.receive();
    }
    return (frames * perFrame * 1000) / (performance.now() - begun);
  } finally {
    await echo.stop();
  }
}
