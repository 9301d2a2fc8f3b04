/** The link against a broker that does what a test says, with the test's time. */
import { decodeFrame, defaultTimers, type Message, type ToBroker } from '@gryphgen/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { BrokerSocket, type PeerKey } from './broker-socket.ts';
import { type Alarms, systemAlarms } from './clock.ts';
import { createIdentity, verifyHello } from './keys.ts';
import { Link } from './link.ts';
import { afterTest, Seen, scratchFolder } from './scratch.fixture.ts';

const grid = 'g-0123456789abcdef';
const [broker, peer] = [createIdentity(), createIdentity()];
const timers = { ...defaultTimers, leaseMs: 8000 };

/** Time stands still until a test lets it pass. */
class Time implements Alarms {
  now = 0;
  private pending: { readonly at: number; readonly run: () => void }[] = [];

  after(ms: number, run: () => void): () => void {
    const alarm = { at: this.now + ms, run };
    this.pending.push(alarm);
    return () => {
      this.pending = this.pending.filter((other) => other !== alarm);
    };
  }

  /** The process slept: all that is due comes late, and once. */
  sleep(ms: number): void {
    this.now += ms;
    const due = this.pending.filter(({ at }) => at <= this.now);
    this.pending = this.pending.filter(({ at }) => at > this.now);
    for (const { run } of due) run();
  }

  pass(ms: number): void {
    for (let passed = 0; passed < ms; passed += 50) this.sleep(50);
  }
}

let time: Time;
let seen: Seen<string>;
let got: Seen<{ from: PeerKey; session: string; message: Message }>;
let socket: BrokerSocket;
let link: Link<'toClient'>;
let hellos: number;

beforeEach(async () => {
  time = new Time();
  seen = new Seen();
  got = new Seen();
  hellos = 0;
  socket = new BrokerSocket(
    {
      endpoints: [`ipc://${scratchFolder()}/b`],
      curve: broker.curve,
      admits: () => true,
      alarms: systemAlarms,
    },
    {
      onFrame: (from, bytes) => {
        const frame = decodeFrame(bytes, 'toBroker');
        if (!frame.ok) throw new Error(frame.failure.message);
        for (const message of frame.messages) got.add({ from, session: frame.session, message });
      },
      onOverflow: () => undefined,
      onGone: () => undefined,
      onBroken: (error) => seen.add(`broken: ${String(error)}`),
    },
  );
  const [endpoint] = await socket.start();
  afterTest(() => socket.stop());
  link = new Link<'toClient'>(
    {
      brokers: [{ endpoint: String(endpoint), curveKey: broker.curve.publicKey }],
      grid,
      identity: peer,
      role: 'submitter',
      direction: 'toClient',
      clock: { mono: () => time.now, wall: () => 0 },
      alarms: time,
      random: { bytes: (count) => Buffer.alloc(count), number: () => 0 },
      log: { debug() {}, info() {}, warn() {}, error() {} },
    },
    {
      hello: () => ({ kind: 'client', client: `c${++hellos}` as never }),
      onOpen: (welcome) => seen.add(`open ${welcome.session}`),
      onMessage: (message) => seen.add(message.kind),
      onClosed: (reason) => seen.add(`closed: ${reason}`),
      onRefused: (why) => seen.add(`refused: ${why.code}`),
    },
  );
  afterTest(() => link.stop());
  link.start();
});

/** The nth (from 1) message of this kind that the broker was sent. */
async function said<K extends Message['kind']>(kind: K, nth = 1) {
  const ofKind = () => got.all.filter(({ message }) => message.kind === kind);
  await got.until(() => ofKind().length >= nth);
  return ofKind()[nth - 1] as { from: PeerKey; session: string; message: Extract<Message, { kind: K }> };
}
const challenge = (nonce: string, of = grid): Message => ({ kind: 'challenge', nonce, grid: of, version: 1 });
const welcome = (session: string, credit = 10) =>
  ({ kind: 'welcome', session, epoch: 1, timers, credit, principal: 'p' }) as Message;
const refusal = (code: 'rejected.forbidden' | 'rejected.limit'): Message => ({
  kind: 'refusal',
  failure: { code, message: 'no' },
});
const request = (id: number): ToBroker => ({ kind: 'request', id, op: 'ps', args: {} });

async function open(session = 's1', credit = 10, nth = 1): Promise<PeerKey> {
  const { from } = await said('knock', nth);
  socket.queue(from, '', challenge('n'));
  await said('hello', nth);
  socket.queue(from, '', welcome(session, credit));
  await seen.until((all) => all.includes(`open ${session}`));
  return from;
}

describe('the handshake', () => {
  it('signs this grid’s challenge, and describes the peer at that moment', async () => {
    const { from } = await said('knock');
    expect(hellos).toBe(0);
    socket.queue(from, '', challenge('nonce'));
    const { message } = await said('hello');
    expect(message).toMatchObject({
      nonce: 'nonce',
      role: 'submitter',
      key: peer.key,
      peer: { client: 'c1' },
    });
    expect(verifyHello({ grid, nonce: 'nonce', role: 'submitter', key: peer.key }, message.signature)).toBe(
      true,
    );
  });
  it('never signs for another grid', async () => {
    const { from } = await said('knock');
    socket.queue(from, '', challenge('nonce', 'g-other'));
    await until(() => link.state === 'waiting');
    time.pass(200);
    await said('knock', 2);
    expect(hellos).toBe(0);
  });
  it('starts over on a new connection when nobody answers', async () => {
    const first = await said('knock');
    time.pass(2000);
    expect(link.state).toBe('waiting');
    time.pass(100);
    const second = await said('knock', 2);
    expect(second.from).not.toBe(first.from);
    socket.queue(second.from, '', challenge('n'));
    await said('hello');
    time.pass(2000);
    expect(link.state).toBe('waiting');
  });
  it('goes on after a refusal that may pass, gives up after one that may not', async () => {
    socket.queue((await said('knock')).from, '', refusal('rejected.limit'));
    await until(() => link.state === 'waiting');
    time.pass(200);
    socket.queue((await said('knock', 2)).from, '', refusal('rejected.forbidden'));
    await seen.until((all) => all.length > 0);
    expect(seen.all).toEqual(['refused: rejected.forbidden']);
    expect(link.state).toBe('refused');
    link.start();
    await said('knock', 3);
  });
});

/** How long (at least, by 50 ms) until it tries again. */
async function waitOf(next: number): Promise<number> {
  await until(() => link.state === 'waiting');
  const from = time.now;
  while (link.state === 'waiting') time.pass(50);
  await said('knock', next);
  return time.now - from;
}

describe('the wait before the next try', () => {
  it('grows over sessions that end as soon as they begin, and is short again after one that has lived', async () => {
    const waits: number[] = [];
    for (const nth of [1, 2, 3, 4, 5]) {
      const from = await open(`s${nth}`, 10, nth);
      socket.queue(from, '', refusal('rejected.limit'));
      waits.push(await waitOf(nth + 1));
    }
    expect(waits).toEqual([50, 100, 200, 400, 800]);
    const from = await open('s6', 10, 6);
    socket.queue(from, 's6', { kind: 'heartbeatAck', seq: 1, head: { seq: 0, digest: '' } });
    await seen.until((all) => all.includes('heartbeatAck'));
    socket.queue(from, '', refusal('rejected.limit'));
    expect(await waitOf(7)).toBe(50);
  });
});

describe('a session', () => {
  it('delivers what carries its id; what carries another is dropped', async () => {
    const from = await open();
    socket.queue(from, 'older', {
      kind: 'changed',
      task: 1 as never,
      state: 'running',
      attempt: 1 as never,
      worker: '',
    });
    socket.queue(from, 's1', { kind: 'accepted', seq: 1, task: 1 as never });
    await seen.until((all) => all.length === 2);
    expect(seen.all).toEqual(['open s1', 'accepted']);
    expect(link.counters.stale).toBe(1);
  });
  it('spends credit on all but heartbeats, credit and goodbyes', async () => {
    const from = await open('s1', 2);
    expect([1, 2, 3, 4].map((id) => link.send(request(id)))).toEqual([true, true, true, true]);
    expect(link.send({ kind: 'heartbeat', seq: 1, attempts: [] })).toBe(true);
    await said('heartbeat');
    const ids = () => got.all.flatMap(({ message }) => (message.kind === 'request' ? [message.id] : []));
    expect(ids()).toEqual([1, 2]);
    socket.queue(from, 's1', { kind: 'credit', total: 3 });
    await said('request', 3);
    // Totals are absolute: an old one changes nothing.
    socket.queue(from, 's1', { kind: 'credit', total: 1 });
    socket.queue(from, 's1', { kind: 'credit', total: 4 });
    await said('request', 4);
    expect(ids()).toEqual([1, 2, 3, 4]);
  });
  it('ends with helloAgain, and what it still brings is not heard', async () => {
    const from = await open();
    link.send(request(1));
    await said('request');
    socket.queue(from, '', { kind: 'helloAgain' });
    socket.queue(from, 's1', { kind: 'accepted', seq: 1, task: 1 as never });
    socket.queue(from, '', { kind: 'helloAgain' });
    await open('s2', 10, 2);
    expect(seen.all).toEqual(['open s1', 'closed: the broker asks for a new hello', 'open s2']);
    expect(link.send(request(2))).toBe(true);
    expect((await said('request', 2)).session).toBe('s2');
    expect(got.all.filter(({ message }) => message.kind === 'knock')).toHaveLength(2);
  });
  it('ends after leaseMs of silence', async () => {
    await open();
    time.pass(timers.leaseMs - 1000);
    expect(seen.all).toEqual(['open s1']);
    time.pass(1000);
    expect(seen.all).toEqual(['open s1', 'closed: the broker has fallen silent']);
    expect(link.send(request(1))).toBe(false);
  });
  it('survives a pause of its own process', async () => {
    const from = await open();
    time.sleep(3_600_000);
    expect(link.state).toBe('open');
    socket.queue(from, 's1', { kind: 'accepted', seq: 1, task: 1 as never });
    await seen.until((all) => all.includes('accepted'));
    time.pass(timers.leaseMs - 1000);
    expect(link.state).toBe('open');
  });
  it('is over when it is stopped; start begins anew', async () => {
    await open();
    await link.stop();
    await said('bye');
    expect(link.state).toBe('idle');
    link.start();
    await open('s2', 10, 2);
  });
});

async function until(done: () => boolean): Promise<void> {
  while (!done()) await new Promise((resolve) => setImmediate(resolve));
}
