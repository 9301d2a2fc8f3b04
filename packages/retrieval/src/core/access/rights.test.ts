import type { PrincipalId, Readers } from '@gryphgen/protocol';
import { expect, it } from 'vitest';
import { type Asker, may } from './rights.ts';

const [ann, bob, cleo] = ['a', 'b', 'c'].map((one) => `p-${one.repeat(16)}` as PrincipalId);
const askers: Readonly<Record<string, Asker>> = {
  owner: { principal: ann, byAdmin: false },
  named: { principal: bob, byAdmin: false },
  other: { principal: cleo, byAdmin: false },
  untold: { principal: undefined, byAdmin: false },
  admin: { principal: cleo, byAdmin: true },
};
const mayRead: readonly (readonly [Readers, readonly string[]])[] = [
  ['everyone', ['owner', 'named', 'other', 'untold', 'admin']],
  ['owner', ['owner', 'admin']],
  [[bob as PrincipalId], ['owner', 'named', 'admin']],
];

const whoMay = (need: 'read' | 'change' | null, owner: string | null, readers: Readers) =>
  Object.keys(askers).filter((name) => may(askers[name] as Asker, need, { owner, readers }));

it.each(mayRead)(
  'readers %s: as the table says, and its owner and admins alone change it',
  (readers, read) => {
    expect(whoMay('read', ann as string, readers)).toEqual(read);
    expect(whoMay('change', ann as string, readers)).toEqual(['owner', 'admin']);
    expect(whoMay(null, ann as string, readers)).toEqual(Object.keys(askers));
  },
);

it('what nobody is known to own is changed by admins alone', () => {
  expect(whoMay('change', null, 'everyone')).toEqual(['admin']);
  expect(whoMay('read', null, 'owner')).toEqual(['admin']);
});
