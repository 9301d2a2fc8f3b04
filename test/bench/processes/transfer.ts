/** A process that moves bytes: into the grid, or through a bare CURVE socket to another that hashes them. */
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { bringArtifact, connect } from '@gryphgen/client';
import { createLog, scanPath } from '@gryphgen/runtime';
import { curveKeyPair, Dealer, Router } from 'zeromq';
import type { PipeEnd, TransferAnswer, TransferOrder } from './transfer-orders.ts';

/** As on a data endpoint. */
const frameBytes = 64 * 1024;
/** Under way at a time: what a data endpoint's window is. */
const window = 16;

async function obey(order: TransferOrder): Promise<TransferAnswer> {
  switch (order.kind) {
    case 'listen':
      return { kind: 'listens', end: await listen() };
    case 'pipe':
      return { kind: 'moved', seconds: await pipe(order.file, order.to) };
    case 'bring':
      return { kind: 'moved', seconds: await bring(order.file, order.home, order.endpoint) };
  }
}

/** Answers each half window, and an empty frame with the digest. */
async function listen(): Promise<PipeEnd> {
  const { publicKey, secretKey } = curveKeyPair();
  const router = new Router({ curveServer: true, curveSecretKey: secretKey, linger: 0 });
  await router.bind('tcp://127.0.0.1:*');
  void take(router);
  return { endpoint: router.lastEndpoint ?? '', curveKey: publicKey };
}

async function take(router: Router): Promise<void> {
  let hash = createHash('sha256');
  let frames = 0;
  for await (const [id, frame] of router) {
    if (id === undefined || frame === undefined) continue;
    hash.update(frame);
    frames += 1;
    if (frame.length === 0) {
      await router.send([id, hash.digest('hex')]);
      hash = createHash('sha256');
      frames = 0;
    } else if (frames % (window / 2) === 0) await router.send([id, '']);
  }
}

async function pipe(path: string, { endpoint, curveKey }: PipeEnd): Promise<number> {
  const { publicKey: curvePublicKey, secretKey: curveSecretKey } = curveKeyPair();
  const dealer = new Dealer({ curvePublicKey, curveSecretKey, curveServerKey: curveKey, linger: 0 });
  dealer.connect(endpoint);
  const file = await open(path, 'r');
  const begun = performance.now();
  let room = window;
  for (;;) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(frameBytes), 0, frameBytes);
    if (bytesRead === 0) break;
    while (room === 0) {
      await dealer.receive();
      room += window / 2;
    }
    await dealer.send(buffer.subarray(0, bytesRead));
    room -= 1;
  }
  await dealer.send('');
  for (;;) {
    const [answer] = await dealer.receive();
    if (answer !== undefined && answer.length > 0) break;
  }
  const seconds = (performance.now() - begun) / 1000;
  await file.close();
  dealer.close();
  return seconds;
}

/** Without the look at the file that names it. */
async function bring(path: string, home: string, endpoint: string): Promise<number> {
  const scanned = await scanPath(path);
  if ('code' in scanned) throw new Error(scanned.message);
  const log = createLog({ daemon: 'transfer', level: 'warn' });
  const client = await connect({ home, endpoints: [endpoint], log });
  const begun = performance.now();
  await bringArtifact(client, scanned, {});
  const seconds = (performance.now() - begun) / 1000;
  await client.close();
  return seconds;
}

const say = (answer: TransferAnswer): void => void process.send?.(answer);
process.on('disconnect', () => process.exit());
process.on('SIGTERM', () => process.exit());
process.on('message', (order: TransferOrder) => {
  obey(order).then(say, (error: unknown) => say({ kind: 'failed', message: String(error) }));
});
say({ kind: 'ready' });
