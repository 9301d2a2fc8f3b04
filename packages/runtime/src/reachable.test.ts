import { expect, it } from 'vitest';
import { addressTowards, reachable } from './reachable.ts';

it('what listens for this machine alone is reached from nowhere', () => {
  for (const endpoint of [
    'ipc:///run/x.sock',
    'tcp://127.0.0.1:7600',
    'tcp://localhost:7600',
    'tcp://[::1]:7600',
  ])
    expect(reachable(endpoint)).toEqual([]);
});

it('what listens at one address is reached there', () => {
  expect(reachable('tcp://192.0.2.7:7600')).toEqual(['tcp://192.0.2.7:7600']);
  expect(reachable('tcp://forge:7600')).toEqual(['tcp://forge:7600']);
});

it('what listens everywhere is reached at the addresses that this machine shows others', () => {
  for (const endpoint of reachable('tcp://0.0.0.0:7600')) {
    expect(endpoint).toMatch(/^tcp:\/\/[0-9.]+:7600$/);
    expect(reachable(endpoint)).toEqual([endpoint]);
  }
});

it('knows no address towards itself, and says when there is no way', async () => {
  expect(await addressTowards('ipc:///run/x.sock')).toBeUndefined();
  expect(await addressTowards('tcp://127.0.0.1:7600')).toBeUndefined();
  await expect(addressTowards('tcp://no-such-host.invalid:7600')).rejects.toThrow();
});
