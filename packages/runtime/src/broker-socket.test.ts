import { decodeFrame, encodeFrame, limits, type Message, wireMagic } from '@gryphgen/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { curveKeyPair, Dealer } from 'zeromq';
import { BrokerSocket, type PeerKey } from './broker-socket.ts';
import { type Alarms, systemAlarms } from './clock.ts';
import { dialBroker } from './dealer.ts';
import { afterTest, Seen, scratchFolder } from './scratch.fixture.ts';

const curve = curveKeyPair();
const known = curveKeyPair();
const accepted = (seq: number) => ({ kind: 'accepted', seq, task: seq }) as Message;

let frames: Seen<{ peer: PeerKey; bytes: Buffer }>;
let events: Seen<string>;
let socket: BrokerSocket;
let endpoints: readonly string[];

beforeEach(async () => {
  frames = new Seen();
  events = new Seen();
  await open(systemAlarms);
});

async function open(alarms: Alarms): Promise<void> {
  socket = new BrokerSocket(
    {
      endpoints: ['tcp://127.0.0.1:*', `ipc://${scratchFolder()}/s`],
      curve,
      admits: (key) => key === known.publicKey,
      alarms,
    },
    {
      onFrame: (peer, bytes) => frames.add({ peer, bytes: Buffer.from(bytes) }),
      onOverflow: () => events.add('overflow'),
      onGone: () => events.add('gone'),
      onBroken: (error) => events.add(`broken: ${String(error)}`),
    },
  );
  endpoints = await socket.start();
  const opened = socket;
  afterTest(() => opened.stop());
}

function dial(keys = known, serverKey = curve.publicKey, endpoint = endpoints[0]): Dealer {
  const dealer = new Dealer({
    linger: 0,
    curvePublicKey: keys.publicKey,
    curveSecretKey: keys.secretKey,
    curveServerKey: serverKey,
  });
  dealer.connect(String(endpoint));
  afterTest(() => dealer.close());
  return dealer;
}

const hello = encodeFrame('', [{ kind: 'knock', versions: [1] }]);

async function introduced(dealer = dial()): Promise<{ dealer: Dealer; peer: PeerKey }> {
  const before = frames.all.length;
  await dealer.send([wireMagic, hello]);
  await frames.until((all) => all.length > before);
  return { dealer, peer: frames.all[before]!.peer };
}

describe('frames', () => {
  it('come in on every endpoint, through CURVE', async () => {
    expect(endpoints.map((endpoint) => endpoint.split(':')[0])).toEqual(['tcp', 'ipc']);
    for (const endpoint of endpoints) await introduced(dial(known, curve.publicKey, endpoint));
    expect(frames.all.map(({ bytes }) => bytes)).toEqual([hello, hello]);
    expect(new Set(frames.all.map(({ peer }) => peer)).size).toBe(2);
  });
  it('carry all that one turn produced for a peer', async () => {
    const { dealer, peer } = await introduced();
    for (let seq = 1; seq <= 1000; seq++) expect(socket.queue(peer, 's', accepted(seq))).toBe('queued');
    const [magic, frame] = await dealer.receive();
    expect(String(magic)).toBe(wireMagic);
    const decoded = decodeFrame(frame!, 'toClient');
    expect(decoded.ok && decoded.messages).toEqual(
      Array.from({ length: 1000 }, (_, index) => accepted(index + 1)),
    );
    expect(socket.counters.sent).toBe(1);
  });
  it('are as many as the limits ask for, in order, one session each', async () => {
    const { dealer, peer } = await introduced();
    const outcome = Buffer.alloc(limits.bodyBytes);
    socket.queue(peer, '', { kind: 'helloAgain' });
    for (let task = 1; task <= 8; task++) {
      const message = {
        kind: 'finished',
        task,
        attempt: 1,
        state: 'succeeded',
        exitCode: 0,
        failure: null,
        outcome,
      };
      socket.queue(peer, 's', message as unknown as Message);
    }
    const counts: number[] = [];
    while (counts.reduce((sum, count) => sum + count, 0) < 9) {
      const [, frame] = await dealer.receive();
      expect(frame!.length).toBeLessThanOrEqual(limits.frameBytes);
      const decoded = decodeFrame(frame!, 'toClient');
      counts.push(decoded.ok ? decoded.messages.length : 0);
    }
    expect(counts).toEqual([1, 3, 3, 2]);
  });
  it('of what nobody waits for wait for company, and not for long', async () => {
    const due: (() => void)[] = [];
    const after: Alarms['after'] = (_, run) => {
      due.push(run);
      return () => undefined;
    };
    await open({ after });
    const { dealer, peer } = await introduced();
    const ack = (task: number) => ({ kind: 'resultAck', task, attempt: 1, epoch: 1 }) as unknown as Message;
    const heard = async () => {
      const decoded = decodeFrame((await dealer.receive())[1]!, 'toWorker');
      return decoded.ok ? decoded.messages : [];
    };
    const stop = { kind: 'stop', task: 9, attempt: 1, epoch: 1, leaseSeq: 1, reason: 'drop' } as never;
    socket.queue(peer, 's', ack(1), true);
    // What comes in ends a turn, in which all that is due would leave.
    await introduced(dealer);
    socket.queue(peer, 's', ack(2), true);
    socket.queue(peer, 's', stop);
    expect(await heard()).toEqual([ack(1), ack(2), stop]);
    socket.queue(peer, 's', ack(3), true);
    await introduced(dealer);
    expect(due).toHaveLength(1);
    due[0]?.();
    expect(await heard()).toEqual([ack(3)]);
  });
  it('are never larger than a frame may be: such a message is refused', async () => {
    const { peer } = await introduced();
    const result = 'x'.repeat(limits.frameBytes);
    expect(socket.queue(peer, 's', { kind: 'reply', id: 1, result, failure: null })).toBe('tooLarge');
  });
});

describe('a peer', () => {
  it('with a key that is not admitted never gets in', async () => {
    const stranger = dial(curveKeyPair());
    const refused = new Promise((resolve) => stranger.events.on('handshake:error:auth', resolve));
    await stranger.send([wireMagic, hello]);
    await refused;
    await introduced();
    expect(frames.all).toHaveLength(1);
    expect(socket.door.counters.refused).toBeGreaterThan(0);
    expect(socket.door.counters.admitted).toBe(1);
  });
  it('that takes somebody else for the broker never gets in', async () => {
    const misled = dial(known, curveKeyPair().publicKey);
    const failed = new Promise((resolve) => misled.events.on('disconnect', resolve));
    await misled.send([wireMagic, hello]);
    await failed;
    await introduced();
    expect(frames.all).toHaveLength(1);
  });
  it('that takes somebody else for the broker hears that nobody proves to be it', async () => {
    const [endpoint = ''] = endpoints;
    const broker = { endpoint, curveKey: curveKeyPair().publicKey };
    await new Promise<void>((onHungUp) => {
      const none = () => undefined;
      const heard = { onFrame: none, onTurnedAway: none, onHungUp, onBroken: none };
      const misled = dialBroker(broker, known, systemAlarms, heard);
      afterTest(() => misled.close());
    });
    expect(frames.all).toEqual([]);
  });
  it('that sends what is no frame of ours is counted, and goes on', async () => {
    const { dealer } = await introduced();
    await dealer.send(['HTTP/1.1', 'GET /']);
    await dealer.send([wireMagic]);
    await dealer.send([wireMagic, hello, 'more']);
    await introduced(dealer);
    expect(socket.counters.foreign).toBe(3);
    expect(frames.all).toHaveLength(2);
  });
  it('that sends a frame beyond all limits is disconnected', async () => {
    const { dealer } = await introduced();
    const gone = new Promise((resolve) => dealer.events.on('disconnect', resolve));
    await dealer.send([wireMagic, Buffer.alloc(limits.frameBytes + 1)]);
    await gone;
    expect(frames.all).toHaveLength(1);
  });
  it('that is gone is reported, and nothing is kept for it', async () => {
    const { dealer, peer } = await introduced();
    dealer.close();
    // Until libzmq has noticed, sends still succeed.
    const ask = setInterval(() => socket.queue(peer, 's', accepted(1)), 5);
    await events.until((all) => all.includes('gone'));
    clearInterval(ask);
    expect(socket.counters.gone).toBeGreaterThan(0);
  });
  it('that does not read is blocked, overflows, and holds up nobody', async () => {
    const stuck = dial();
    stuck.receiveHighWaterMark = 1;
    const { peer } = await introduced(stuck);
    const other = await introduced();
    const outcome = Buffer.alloc(limits.bodyBytes);
    const big = {
      kind: 'finished',
      task: 1,
      attempt: 1,
      state: 'succeeded',
      exitCode: 0,
      failure: null,
      outcome,
    };
    let queued = 0;
    while (!events.all.includes('overflow')) {
      for (let index = 0; index < 30; index++, queued++) socket.queue(peer, 's', big as unknown as Message);
      socket.queue(other.peer, 's', accepted(queued));
      await other.dealer.receive();
    }
    expect(socket.counters.blocked).toBeGreaterThan(0);
    expect(queued * limits.bodyBytes).toBeGreaterThan(limits.peerQueueBytes);
    expect(queued * limits.bodyBytes).toBeLessThan(4 * limits.peerQueueBytes);
  });
  it('that was blocked gets everything once it reads', async () => {
    const { dealer, peer } = await introduced();
    const outcome = Buffer.alloc(limits.bodyBytes);
    let sent = 0;
    while (socket.counters.blocked === 0) {
      const message = {
        kind: 'finished',
        task: ++sent,
        attempt: 1,
        state: 'succeeded',
        exitCode: 0,
        failure: null,
        outcome,
      };
      socket.queue(peer, 's', message as unknown as Message);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const tasks: number[] = [];
    while (tasks.length < sent) {
      const [, frame] = await dealer.receive();
      const decoded = decodeFrame(frame!, 'toClient');
      for (const message of decoded.ok ? decoded.messages : [])
        if (message.kind === 'finished') tasks.push(message.task);
    }
    expect(tasks).toEqual(Array.from({ length: sent }, (_, index) => index + 1));
  });
});

it('timers fire while frames pour in', async () => {
  const { dealer } = await introduced();
  const flood = encodeFrame('', [{ kind: 'knock', versions: [1] }]);
  for (let index = 0; index < 900; index++) await dealer.send([wireMagic, flood]);
  let turns = 0;
  const counting = setInterval(() => turns++, 1);
  await frames.until((all) => all.length > 900);
  clearInterval(counting);
  expect(turns).toBeGreaterThan(0);
});
