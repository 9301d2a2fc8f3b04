import { type Failure, failure, type PrincipalId, type WorkerId } from '@gryphgen/protocol';
import { describe, expect, it } from 'vitest';
import { type Beside, type PermitOrder, permission } from './permission.ts';

const anvil = 'w-1' as WorkerId;
const asked = { session: 's1' as never, request: 9 };
const away = failure('lost.worker', 'the log is on anvil, which is not connected now');
const place = { endpoints: ['tcp://*:7601'], dataKey: 'k' };
const beside = (...relayed: string[]): Beside => ({ place, relayed: new Set(relayed) });
const sign = (op: string, about: object): string => `${op} ${JSON.stringify(about)}`;

const log = { task: 1 as never, attempt: 1, worker: anvil };
const order: Extract<PermitOrder, { kind: 'grant' }> = {
  ...{ kind: 'grant', op: 'logs', ...asked, about: log, orElse: away },
  ...{ endpoint: 'tcp://10.0.0.7:1', dataKey: 'w', kept: false },
};

describe('a transfer with a worker', () => {
  it('is told where the relay is, while the worker is connected to that', () => {
    const answer = permission(order, sign, beside('w-1', 'w-2'));
    expect(answer).toMatchObject({ endpoint: 'tcp://10.0.0.7:1', relay: { ...place, worker: 'w-1' } });
    expect(permission(order, sign, beside('w-2'))).not.toHaveProperty('relay');
    expect(permission(order, sign, null)).not.toHaveProperty('relay');
  });

  it.each<[string, Beside | null, boolean, object]>([
    ['by the relay', beside('w-1'), false, { endpoint: '', relay: { worker: 'w-1' } }],
    ['in what is kept', beside(), true, { endpoint: '', beside: place }],
    ['in both', beside('w-1'), true, { relay: { worker: 'w-1' }, beside: place }],
    ['nowhere', beside(), false, away],
    ['nowhere, with nothing beside the broker', null, true, away],
  ])('without an endpoint is had %s', (_, what, kept, expected) => {
    expect(permission({ ...order, endpoint: '', kept }, sign, what)).toMatchObject(expected);
  });
});

it('of those that have an artifact it is told who is had through the relay', () => {
  const fetch: PermitOrder = {
    ...{ kind: 'artifact', op: 'fetch', ...asked, artifact: 'a'.repeat(64), workers: [], away: [] },
    connected: [anvil, 'w-3' as WorkerId],
  };
  expect(permission(fetch, sign, beside('w-1', 'w-2'))).toMatchObject({ relayed: ['w-1'], broker: place });
  expect(permission(fetch, sign, beside())).not.toHaveProperty('relayed');
  expect((permission(fetch, sign, null) as Failure).code).toBe('lost.broker');
});

it('whose an artifact is to be that a worker brings is signed', () => {
  const store: PermitOrder = {
    ...{ kind: 'artifact', op: 'store', ...asked, artifact: 'a', workers: [], away: [], connected: [] },
  };
  expect(permission(store, sign, beside())).toMatchObject({ grant: 'store {"artifact":"a"}' });
  const left = { ...store, owner: 'p-1' as PrincipalId };
  expect(permission(left, sign, beside())).toMatchObject({ grant: 'store {"artifact":"a","owner":"p-1"}' });
});

it('a worker is permitted to be relayed while there is a relay', () => {
  const relay: PermitOrder = { kind: 'besideGrant', op: 'relay', ...asked, worker: anvil };
  expect(permission(relay, sign, beside())).toEqual({ grant: 'relay {"worker":"w-1"}', broker: place });
  expect((permission(relay, sign, null) as Failure).code).toBe('lost.broker');
});
