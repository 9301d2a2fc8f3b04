/** A bare CURVE ROUTER that sends back every frame as it came: the floor under the grid's wire. */
import { curveKeyPair, Router } from 'zeromq';

export interface EchoAddress {
  readonly endpoint: string;
  readonly curveKey: string;
}

const { publicKey, secretKey } = curveKeyPair();
const router = new Router({ curveServer: true, curveSecretKey: secretKey, linger: 0 });
await router.bind('tcp://127.0.0.1:*');
process.on('disconnect', () => process.exit());
process.on('SIGTERM', () => process.exit());
process.send?.({ endpoint: router.lastEndpoint ?? '', curveKey: publicKey } satisfies EchoAddress);
for await (const parts of router) await router.send(parts);
