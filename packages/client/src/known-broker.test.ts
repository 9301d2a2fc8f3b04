import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createIdentity, signVoucher, systemAlarms } from '@gryphgen/runtime';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KnownBroker } from './known-broker.ts';
import { loadMembership, saveMembership } from './membership.ts';

const grid = createIdentity();
const [first, second] = [createIdentity(), createIdentity()];
const keysOf = ({ key, curve }: typeof first) => ({ brokerKey: key, brokerCurveKey: curve.publicKey });
const told = 'tcp://forge:7600';
let home: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'gg-known-'));
  saveMembership(home, { gridKey: grid.key, ...keysOf(first), role: 'submitter' });
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const knownHere = (endpoints = [told]) =>
  new KnownBroker({
    membership: loadMembership(home),
    home,
    endpoints,
    curve: createIdentity().curve,
    alarms: systemAlarms,
  });
const voucher = (serial: number, who = second, brokers: string[] = [], signer = grid) =>
  signVoucher(signer, { serial, ...keysOf(who), brokers });

describe('what a member knows of its broker', () => {
  it('is what the newest voucher says, here and for the next start', () => {
    const known = knownHere();
    const moved = [{ endpoint: 'tcp://anvil:7600', curveKey: second.curve.publicKey }];
    expect(known.learn(voucher(5, second, ['tcp://anvil:7600']))).toEqual([
      ...moved,
      { endpoint: told, curveKey: second.curve.publicKey },
    ]);
    expect(known.membership.brokerKey).toBe(second.key);
    expect(loadMembership(home)).toMatchObject({
      gridKey: grid.key,
      ...keysOf(second),
      serial: 5,
      brokers: ['tcp://anvil:7600'],
      role: 'submitter',
    });
  });

  it.each<[string, () => string, 'older' | undefined]>([
    ['an older voucher', () => voucher(4, first), 'older'],
    ['another of the same serial', () => voucher(5, first), undefined],
    ['one of another grid', () => voucher(6, first, [], createIdentity()), undefined],
    ['one that the broker has signed itself', () => voucher(6, first, [], second), undefined],
    ['no voucher', () => 'x', undefined],
  ])('is not changed by %s', (_, older, answer) => {
    const known = knownHere();
    known.learn(voucher(5));
    expect(known.learn(older())).toBe(answer);
    expect(known.addresses).toEqual([{ endpoint: told, curveKey: second.curve.publicKey }]);
    expect(loadMembership(home)).toMatchObject({ serial: 5, brokerKey: second.key });
  });

  it('is what another program of the home has learned, where the broker does not answer', async () => {
    const known = knownHere(['ipc:///run/broker.sock']);
    expect(await known.seek('ipc:///run/broker.sock')).toBeUndefined();
    knownHere().learn(voucher(5, second, ['tcp://anvil:7600']));
    // A socket of this machine first: it is nearer than any address.
    expect(await known.seek('ipc:///run/broker.sock')).toEqual(
      ['ipc:///run/broker.sock', 'tcp://anvil:7600'].map((endpoint) => ({
        endpoint,
        curveKey: second.curve.publicKey,
      })),
    );
  });

  it('does not replace what a newer program of the home has learned', () => {
    const known = knownHere();
    knownHere().learn(voucher(9, second));
    known.learn(voucher(5, first));
    expect(loadMembership(home)).toMatchObject({ serial: 9, brokerKey: second.key });
  });
});
