/** The two sides of the handshake over real sockets: runtime's link against these sessions. */
import {
  decodeFrame,
  encodeFrame,
  type Hello,
  limits,
  type Message,
  type SessionId,
  wireMagic,
} from '@gryphgen/protocol';
import { createIdentity, type Identity, type PeerKey } from '@gryphgen/runtime';
import { describe, expect, it } from 'vitest';
import { Dealer } from 'zeromq';
import { accepted, afterTest, enrol, identity, keys, linkTo, openDoor, request } from './door.fixture.ts';

describe('a link', () => {
  it.each(['ipc', 'tcp'])('opens a session over %s and speaks both ways', async (transport) => {
    const { door, endpoint } = await openDoor(7, transport === 'tcp' ? 'tcp://127.0.0.1:*' : undefined);
    const { link, seen, messages } = linkTo(endpoint, enrol('submitter'));
    await seen.until((all) => all.includes('open 7'));
    expect(link.send(request(1))).toBe(true);
    await door.seen.until(() => door.messages().length === 1);
    door.say(door.opened()[0]!, accepted(1));
    await messages.until((all) => all.length === 1);
    expect(messages.all).toEqual([accepted(1)]);
  });
  it('sends a thousand messages of one turn in a few frames', async () => {
    const { door, endpoint } = await openDoor();
    const { link, seen } = linkTo(endpoint, enrol('submitter'));
    await seen.until((all) => all.length === 1);
    const before = door.socket.counters.frames;
    for (let id = 0; id < 1000; id++) expect(link.send(request(id))).toBe(true);
    await door.seen.until(() => door.messages().length === 1000);
    expect(door.socket.counters.frames - before).toBe(1);
  });
  it('keeps to its credit, goes on as it grows, and says when no more can wait', async () => {
    const { door, endpoint } = await openDoor();
    const unanswered: [SessionId, number][] = [];
    door.onMessages = (session, count) => void unanswered.push([session, count]);
    const { link, seen } = linkTo(endpoint, enrol('submitter'));
    await seen.until((all) => all.length === 1);
    const total = limits.creditMessages + limits.clientOutstanding;
    for (let id = 0; id < total; id++) expect(link.send(request(id))).toBe(true);
    expect(link.send(request(total))).toBe(false);
    expect(link.send({ kind: 'heartbeat', seq: 1, attempts: [] })).toBe(true);
    await door.seen.until(() => door.messages().length === limits.creditMessages + 1);
    door.onMessages = (session, count) => door.perform(door.sessions.answered(session, count));
    for (const [session, count] of unanswered) door.onMessages(session, count);
    await door.seen.until(() => door.messages().length === total + 1);
    const ids = door.messages().flatMap((message) => (message.kind === 'request' ? [message.id] : []));
    expect(ids).toEqual(Array.from({ length: total }, (_, id) => id));
    expect(door.sessions.counters.overCredit).toBe(0);
  });
  it('finds a restarted broker, and says hello anew', async () => {
    const first = await openDoor(1);
    const { link, seen } = linkTo(first.endpoint, enrol('submitter'));
    await seen.until((all) => all.length === 1);
    await first.door.socket.stop();
    const second = await openDoor(2);
    // Nothing tells a peer that has nothing to say: its heartbeats do.
    const beat = setInterval(() => link.send({ kind: 'heartbeat', seq: 1, attempts: [] }), 5);
    afterTest(() => clearInterval(beat));
    await seen.until((all) => all.length === 3);
    expect(seen.all).toEqual(['open 1', 'closed: the broker asks for a new hello', 'open 2']);
    expect(second.door.sessions.counters.unknownSession).toBeGreaterThan(0);
  });
  it('whose key is revoked loses its session and gives up', async () => {
    const { door, endpoint } = await openDoor();
    const who = enrol('submitter');
    const { link, seen } = linkTo(endpoint, who);
    await seen.until((all) => all.length === 1);
    // The same CURVE key under another name: the door still opens, the hello is refused.
    keys.set('other', { ...keys.get(who.key)!, key: 'other' });
    keys.delete(who.key);
    door.perform(door.sessions.revoke(who.key));
    await seen.until((all) => all.length === 3);
    expect(seen.all.slice(1)).toEqual(['closed: this key has been revoked', 'refused: rejected.forbidden']);
    expect(link.state).toBe('refused');
  });
  it('in a role it was not given is refused', async () => {
    const { endpoint } = await openDoor();
    const { seen } = linkTo(endpoint, enrol('viewer'), 'admin');
    await seen.until((all) => all.length === 1);
    expect(seen.all).toEqual(['refused: rejected.forbidden']);
  });
  it('that expects another broker, or that the broker does not know, stays outside and goes on trying', async () => {
    const { door, endpoint } = await openDoor();
    const misled = linkTo(endpoint, enrol('admin'), 'admin', createIdentity().curve.publicKey);
    const stranger = linkTo(endpoint, createIdentity());
    while (stranger.link.trouble === undefined) await new Promise((resolve) => setImmediate(resolve));
    expect(stranger.link.trouble).toMatchObject({ code: 'rejected.forbidden' });
    expect(door.socket.door.counters).toEqual({ admitted: 0, refused: 1 });
    expect([misled.link.state, stranger.link.state]).not.toContain('open');
    expect(door.seen.all).toEqual([]);
  });
  it('says goodbye', async () => {
    const { door, endpoint } = await openDoor();
    const { link, seen } = linkTo(endpoint, enrol('submitter'));
    await seen.until((all) => all.length === 1);
    await link.stop();
    await door.seen.until((all) => all.some((output) => output.kind === 'closed' && output.reason === 'bye'));
    expect(link.send(request(1))).toBe(false);
  });
});

describe('an admitted key that lies', () => {
  /** A connection that says what it likes. */
  function dial(endpoint: string, who: Identity): Dealer {
    const { publicKey, secretKey } = who.curve;
    const dealer = new Dealer({
      linger: 0,
      curvePublicKey: publicKey,
      curveSecretKey: secretKey,
      curveServerKey: identity.curve.publicKey,
    });
    dealer.connect(endpoint);
    afterTest(() => dealer.close());
    return dealer;
  }
  async function ask(dealer: Dealer, session: string, ...messages: Message[]): Promise<Message> {
    await dealer.send([wireMagic, encodeFrame(session, messages)]);
    const [, frame] = await dealer.receive();
    const decoded = decodeFrame(frame!, 'toClient');
    if (!decoded.ok) throw new Error(decoded.failure.message);
    return decoded.messages[0]!;
  }

  it('gains nothing by a session that is another’s', async () => {
    const { door, endpoint } = await openDoor();
    const { link, seen } = linkTo(endpoint, enrol('admin'), 'admin');
    await seen.until((all) => all.length === 1);
    const liar = dial(endpoint, enrol('viewer'));
    expect(await ask(liar, door.opened()[0]!, request(1))).toEqual({ kind: 'helloAgain' });
    expect(door.messages()).toEqual([]);
    expect(link.state).toBe('open');
  });
  it('gains nothing by a hello it overheard, or signed for another', async () => {
    const { door, endpoint } = await openDoor();
    const victim = enrol('admin');
    const liar = dial(endpoint, enrol('viewer'));
    const challenge = await ask(liar, '', { kind: 'knock', versions: [1] });
    const nonce = challenge.kind === 'challenge' ? challenge.nonce : '';
    const forged: Hello = {
      kind: 'hello',
      nonce,
      key: victim.key,
      role: 'admin',
      signature: createIdentity().sign(Buffer.from(nonce)),
      product: '0',
      peer: { kind: 'client', client: 'c' as never },
    };
    expect(await ask(liar, '', forged)).toMatchObject({ failure: { code: 'rejected.forbidden' } });
    expect(await ask(liar, '', forged)).toMatchObject({ failure: { code: 'rejected.state' } });
    expect(door.sessions.counters).toMatchObject({ badSignature: 1, replayedHello: 1, opened: 0 });
  });
  it('is answered when it makes no sense', async () => {
    const { door, endpoint } = await openDoor();
    const liar = dial(endpoint, enrol('viewer'));
    await liar.send([wireMagic, Buffer.alloc(100, 0xdd)]);
    const [, frame] = await liar.receive();
    const decoded = decodeFrame(frame!, 'toClient');
    expect(decoded.ok && decoded.messages).toMatchObject([
      { kind: 'refusal', failure: { code: 'rejected.invalid' } },
    ]);
    expect(door.sessions.counters.malformed).toBe(1);
  });
  it('is closed when it does not read', async () => {
    const { door, endpoint } = await openDoor();
    const { seen } = linkTo(endpoint, enrol('submitter'));
    await seen.until((all) => all.length === 1);
    const [session] = door.opened();
    const peer = door.sessions.peerOf(session!) as PeerKey;
    // In one turn nobody can read: the outbox alone must hold it.
    for (let seq = 1; seq <= limits.peerQueueMessages + 1; seq++)
      door.socket.queue(peer, session!, accepted(seq));
    expect(door.sessions.counters.overflow).toBe(1);
    expect(door.sessions.size).toBe(0);
  });
});
