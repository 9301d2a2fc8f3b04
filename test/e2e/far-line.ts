/**
 * A long line to another host: `far-line.ts ADDRESS DELAY_MS JITTER_MS PORT…` listens at these ports of its own machine,
 * and passes on what comes to those of the other, and back, each piece so much later. It says `ready` when it listens.
 *
 * 1. What one direction holds is bounded, as a line's buffers are; beyond that its sender waits.
 * 2. Pieces, and the end after them, come in their order; a connection that breaks there breaks here.
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { argv, stdout } from 'node:process';

const [address = '', delay, jitter, ...ports] = argv.slice(2);
const [delayMs, jitterMs] = [Number(delay), Number(jitter)];
/** In one direction of a connection. */
const mostHeldBytes = 2 ** 20;

function pass(from: Socket, to: Socket): void {
  let held = 0;
  let dueAt = 0;
  const waiting: (() => void)[] = [];
  const later = (act: () => void): void => {
    waiting.push(act);
    dueAt = Math.max(dueAt, performance.now() + delayMs + Math.random() * jitterMs);
    // Timers that are due in the same millisecond may come in any order.
    setTimeout(() => waiting.shift()?.(), dueAt - performance.now());
  };
  from.on('data', (bytes: Buffer) => {
    held += bytes.length;
    if (held > mostHeldBytes) from.pause();
    later(() => {
      to.write(bytes, () => {
        held -= bytes.length;
        if (held <= mostHeldBytes) from.resume();
      });
    });
  });
  from.on('end', () => later(() => to.end()));
  from.on('close', () => later(() => to.destroySoon()));
  // Told by 'close'.
  from.on('error', () => undefined);
}

const servers = ports.map((port) =>
  createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ host: address, port: Number(port), allowHalfOpen: true, noDelay: true });
    near.setNoDelay(true);
    pass(near, far);
    pass(far, near);
  }).listen(Number(port), '127.0.0.1'),
);
await Promise.all(servers.map((server) => once(server, 'listening')));
stdout.write('ready\n');
