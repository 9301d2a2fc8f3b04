import { GridError } from '@gryphgen/protocol';
import { expect, it } from 'vitest';
import { Dealer } from 'zeromq';
import { systemAlarms } from './clock.ts';
import { dialBroker } from './dealer.ts';
import { createIdentity } from './keys.ts';
import { openSocket } from './open-socket.ts';

/** With the two by which each is watched, more than libzmq lets a process have by itself. */
const many = 400;

it('a process has as many sockets as its open files allow', () => {
  const sockets: Dealer[] = [];
  try {
    for (let made = 0; made < many; made += 1) {
      const socket = openSocket(() => new Dealer({ linger: 0 }));
      sockets.push(socket);
      socket.events.on('disconnect', () => undefined);
    }
    expect(sockets).toHaveLength(many);
  } finally {
    for (const socket of sockets) socket.close();
  }
});

const none = (): never => {
  throw Object.assign(new Error('Too many open file descriptors'), { code: 'EMFILE' });
};

it('says what there is too little of, and what else went wrong as it is', () => {
  expect(() => openSocket(none)).toThrow(GridError);
  expect(() => openSocket(none)).toThrow('raise that limit (ulimit -n, LimitNOFILE= of a unit)');
  const other = new Error('another');
  expect(() =>
    openSocket(() => {
      throw other;
    }),
  ).toThrow(other);
});

it('an address that is none is told at once, also where a link would try again', () => {
  const { curve } = createIdentity();
  const events = {
    onFrame: () => undefined,
    onTurnedAway: () => undefined,
    onHungUp: () => undefined,
    onBroken: () => undefined,
  };
  const broker = { endpoint: 'nowhere', curveKey: curve.publicKey };
  expect(() => dialBroker(broker, curve, systemAlarms, events)).toThrow();
});
