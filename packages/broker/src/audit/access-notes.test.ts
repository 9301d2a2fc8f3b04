/** What of what peers ask becomes an entry. */
import { type Failure, failure, type PrincipalId, type Role } from '@gryphgen/protocol';
import { defaultPolicy } from '@gryphgen/scheduler';
import { describe, expect, it } from 'vitest';
import { type Decision, decided } from '../core/record/decisions.ts';
import { AccessNotes } from './access-notes.ts';
import { AuditCollector } from './audit-collector.ts';

const forbidden = failure('rejected.forbidden', 'no');
const session = 's-1' as never;

/** What is gathered of one request and its answer. */
function entriesOf(role: Role, op: string, args: unknown, why: Failure | null = null) {
  const collector = new AuditCollector();
  const notes = new AccessNotes(collector, () => 1);
  notes.opened(session, { principal: 'p-1' as never, role, from: '' });
  collector.takeGranted();
  notes.asked(session, { kind: 'request', id: 1, op, args });
  notes.told(session, { kind: 'reply', id: 1, result: null, failure: why });
  return [...collector.takeGranted(), ...collector.takeRefused()];
}

describe('a request that was answered', () => {
  it.each([
    ['revokePrincipal', { principal: 'p-2' }, 'p-2'],
    ['revokeTicket', { ticket: 'ticket-1' }, 'ticket-1'],
    ['store', { artifact: 'aa' }, 'aa'],
    ['fetch', { task: 3, artifact: 'aa' }, 't3'],
    ['drain', { node: 'w-1', draining: true }, 'w-1'],
    ['promotePolicy', { from: 3, parts: {} }, 'policy 3'],
    ['fsck', {}, ''],
  ])('%s is recorded, with what it was about', (what, args, subject) => {
    expect(entriesOf('admin', what, args)).toMatchObject([{ who: 'p-1', what, subject, code: '', count: 1 }]);
  });

  it.each(['ps', 'show', 'principals', 'tickets'])('%s is a question: recorded when it is refused', (op) => {
    expect(entriesOf('viewer', op, {})).toEqual([]);
    expect(entriesOf('viewer', op, {}, forbidden)).toMatchObject([{ what: op, code: 'rejected.forbidden' }]);
  });

  it('is no entry when a worker asked for its attempt; a refusal is', () => {
    const args = { artifact: 'aa', task: 3 };
    expect(entriesOf('worker', 'fetch', args)).toEqual([]);
    expect(entriesOf('worker', 'store', args)).toEqual([]);
    expect(entriesOf('worker', 'store', args, forbidden)).toMatchObject([{ what: 'store', subject: 't3' }]);
  });
});

it('what is carried out for somebody who has left is recorded', () => {
  const collector = new AuditCollector();
  const notes = new AccessNotes(collector, () => 1);
  notes.opened(session, { principal: 'p-1' as never, role: 'submitter', from: '' });
  notes.asked(session, { kind: 'request', id: 1, op: 'cancel', args: { task: 3 } });
  notes.closed(session);
  collector.takeGranted();
  notes.told(session, { kind: 'reply', id: 1, result: null, failure: null });
  notes.told(session, { kind: 'accepted', seq: 1, task: 4 } as never);
  notes.takeSubmissions();
  expect(collector.takeGranted()).toMatchObject([
    { who: 'p-1', what: 'cancel', subject: 't3' },
    { who: 'p-1', what: 'submit', subject: 't4', count: 1 },
  ]);
});

describe('operations that there are not', () => {
  it('are one entry, however many names a peer thinks of', () => {
    const collector = new AuditCollector();
    const notes = new AccessNotes(collector, () => 1);
    notes.opened(session, { principal: 'p-1' as never, role: 'viewer', from: '' });
    for (let id = 1; id <= 10_000; id += 1) {
      notes.asked(session, { kind: 'request', id, op: `op-${id}`, args: {} });
      notes.told(session, { kind: 'reply', id, result: null, failure: forbidden });
    }
    expect(collector.takeRefused()).toMatchObject([{ who: 'p-1', what: 'unknown', count: 10_000 }]);
  });
});

it('the broker going back to another policy by itself is recorded, and what it decides on order is not twice', () => {
  const collector = new AuditCollector();
  const notes = new AccessNotes(collector, () => 1);
  const changed = (by: string): Decision => [
    ...([decided.policyChanged, 'rolledBack', defaultPolicy, 1, by as PrincipalId, 'slower', null] as const),
  ];
  notes.decided(changed('p-1'));
  notes.decided([decided.clientsForgotten, [], 1]);
  expect(collector.takeGranted()).toEqual([]);
  notes.decided(changed(''));
  expect(collector.takeGranted()).toMatchObject([
    { who: 'broker', what: 'rollBackPolicy', subject: 'to policy 0: slower', code: '' },
  ]);
});
