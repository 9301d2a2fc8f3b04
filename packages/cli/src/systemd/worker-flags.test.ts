import { Writable } from 'node:stream';
import { createIdentity, writeTicket } from '@gryphgen/runtime';
import { Command } from 'commander';
import { expect, it } from 'vitest';
import { run } from '../program.ts';
import { openTerminal } from '../terminal.ts';
import { type OfferFlags, offerArgs, withOfferFlags } from './worker-flags.ts';

const all: OfferFlags = {
  allowProcess: true,
  retrieval: true,
  label: { rack: 'a', 'a.b/c': 'x=y $z %' },
  slots: 8,
  dataEndpoint: ['tcp://10.0.0.7:7601', 'tcp://forge:7601'],
};

it.each<OfferFlags>([{}, all, { dataEndpoint: [] }, { retrieval: true }])(
  'what a unit gives its worker is what was asked for: %o',
  (flags) => {
    const command = withOfferFlags(new Command('worker')).parse(offerArgs(flags), { from: 'user' });
    expect(command.opts()).toEqual(flags);
  },
);

it('flags of a worker are refused where no worker would have them', async () => {
  const { key, curve } = createIdentity();
  const broker = { brokerKey: key, brokerCurveKey: curve.publicKey, brokers: ['tcp://127.0.0.1:9'] };
  const seed = 'S'.repeat(43);
  const ticket = writeTicket({ seed, gridKey: key, ...broker, role: 'worker', expiresAt: 1 });
  const said: string[] = [];
  const sink = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      said.push(chunk.toString());
      done();
    },
  });
  const terminal = openTerminal(sink, sink, { PATH: process.env.PATH, GRID_HOME: '/nowhere/grid' });
  expect(await run(terminal, ['service', 'install', 'broker', '--retrieval'])).toBe(2);
  expect(await run(terminal, ['service', 'install', 'worker', '--tls-cert', 'x.crt'])).toBe(2);
  expect(await run(terminal, ['join', '--yes', '--no-service', '--slots', '2', ticket])).toBe(2);
  for (const words of [
    '--retrieval: a broker has no such flag',
    '--tls-cert: a worker has no such flag',
    '--slots: no service is installed that it could be for',
  ])
    expect(said.join('')).toContain(words);
});
