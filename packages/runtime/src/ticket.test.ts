import { describe, expect, it } from 'vitest';
import { curveKeyPair } from 'zeromq';
import { createIdentity, identityFromSeed, signHello, verifyHello } from './keys.ts';
import { readTicket, signEnrolment, type Ticket, verifyEnrolment, writeTicket } from './ticket.ts';

const broker = createIdentity();
const ticket: Ticket = {
  seed: Buffer.alloc(32, 7).toString('base64url'),
  gridKey: createIdentity().key,
  brokerKey: broker.key,
  brokerCurveKey: broker.curve.publicKey,
  brokers: ['tcp://192.0.2.7:7600', 'tcp://forge:7600'],
  role: 'worker',
  expiresAt: 1_800_000_000_000,
};

describe('a ticket', () => {
  it('is one word that holds all, also with blanks around it', () => {
    const word = writeTicket(ticket);
    expect(word).toMatch(/^grid-[A-Za-z0-9_-]+$/);
    expect(readTicket(` ${word}\n`)).toEqual({ version: 1, ...ticket });
  });

  it('says what is wrong with it', () => {
    const word = writeTicket(ticket);
    for (const other of [
      '',
      'hello',
      'grid',
      `${word} ${word}`,
      word.replace('grid-', ''),
      `grid-${'A'.repeat(9000)}`,
    ])
      expect(readTicket(other)).toMatch(/^expected a ticket/);
    expect(readTicket('grid-')).toMatch(/damaged or not whole/);
    for (let end = 6; end < word.length; end++)
      expect(readTicket(word.slice(0, end))).toMatch(/damaged or not whole/);
    const at = word.length - 100;
    const changed = word.slice(0, at) + (word[at] === 'A' ? 'B' : 'A') + word.slice(at + 1);
    expect(readTicket(changed)).toMatch(/damaged or not whole/);
    expect(readTicket(writeTicket({ ...ticket, role: 'ticket' as never }))).toMatch(/another version/);
    expect(readTicket(writeTicket({ ...ticket, brokers: ['http://x'] }))).toMatch(/another version/);
  });
});

describe('keys from a seed', () => {
  it('are the same from the same seed and no other', () => {
    const [one, same, other] = [7, 7, 8].map((fill) => identityFromSeed(Buffer.alloc(32, fill)));
    expect(one?.key).toBe(same?.key);
    expect(one?.curve).toEqual(same?.curve);
    expect(one?.key).not.toBe(other?.key);
  });

  it('sign, and have the public CURVE half that libzmq would make', () => {
    const identity = identityFromSeed(Buffer.alloc(32, 1));
    const nonce = 'n';
    const proof = { grid: 'g', nonce, role: 'ticket', key: identity.key } as const;
    expect(verifyHello(proof, signHello(identity, 'g', nonce, 'ticket'))).toBe(true);
    expect(identity.curve.publicKey).toHaveLength(curveKeyPair().publicKey.length);
  });
});

it('an enrolment is signed for one grid, key, CURVE key and name', () => {
  const identity = createIdentity();
  const signature = signEnrolment(identity, 'g', 'forge');
  const right = { grid: 'g', key: identity.key, curveKey: identity.curve.publicKey, name: 'forge' };
  expect(verifyEnrolment(right, signature)).toBe(true);
  const other = createIdentity();
  for (const wrong of [
    { grid: 'h' },
    { key: other.key },
    { curveKey: other.curve.publicKey },
    { name: 'anvil' },
  ])
    expect(verifyEnrolment({ ...right, ...wrong }, signature)).toBe(false);
});
