/** What becomes of an answer that the journal must be asked for. */
import { type Envelope, envelopeDefaults, type Failure, type Message } from '@gryphgen/protocol';
import { expect, it } from 'vitest';
import type { BrokerEffect } from './core/effects.ts';
import { type Journal, JournalError } from './journal/journal.ts';
import { Performer, type PerformerParts } from './performer.ts';
import { mostQuestions } from './question-lines.ts';
import { SpecStore } from './spec-store.ts';

const session = 's' as never;
const envelope: Envelope = { ...envelopeDefaults, kind: 'noop' };
const broken = async () => {
  throw new JournalError('io', 'the disk is gone');
};

function performing(journal: Partial<Journal>) {
  const sent: Message[] = [];
  const logged: unknown[] = [];
  const missing: unknown[] = [];
  const closed: Failure[] = [];
  const performer = new Performer({
    journal: journal as Journal,
    specs: new SpecStore(),
    log: { error: (what: unknown) => logged.push(what) },
    peerOf: () => 'peer',
    told: () => undefined,
    queue: (_peer: string, _session: string, message: Message) => sent.push(message) && 'queued',
    findWorker: () => undefined,
    close: (_session: string, why: Failure) => closed.push(why),
    bodyMissing: (...told: unknown[]) => missing.push(told),
  } as unknown as PerformerParts);
  /** Performs and lets the journal answer. */
  const perform = async (effect: BrokerEffect) => {
    performer.perform(effect);
    await new Promise(setImmediate);
  };
  return { performer, perform, sent, logged, missing, closed };
}

const lookup = (op: string): BrokerEffect => ({
  kind: 'lookup',
  session,
  task: 7 as never,
  onlyOf: null,
  answer: { kind: 'reply', request: 3, op },
});
const history: BrokerEffect = { kind: 'history', session, request: 3, recent: [], onlyOf: null, limit: 5 };
const spec: BrokerEffect = { kind: 'spec', session, request: 3, envelope, body: 'b' as never };
const row = { task: 7 as never, name: '', state: 'succeeded', endedAt: 1 };
const stored = { ...row, document: JSON.stringify({ id: 't7', state: 'succeeded', body: 'b', envelope }) };

it.each<[string, Partial<Journal>, BrokerEffect]>([
  ['a lookup', { historyOf: broken }, lookup('show')],
  ['a document that is none', { historyOf: async () => ({ ...row, document: '{' }) }, lookup('show')],
  ['the history', { history: broken }, history],
  ['a specification', { blob: broken }, spec],
  [
    'the specification of a task of the past',
    { historyOf: async () => stored, blob: broken },
    lookup('spec'),
  ],
])('%s that cannot be read is answered with why, and logged', async (_what, journal, effect) => {
  const { perform, sent, logged } = performing(journal);
  await perform(effect);
  const message: unknown = expect.stringMatching(/could not be read from the journal: .+/);
  expect(sent).toMatchObject([
    { kind: 'reply', id: 3, result: null, failure: { code: 'internal.bug', message } },
  ]);
  expect(logged).toHaveLength(1);
});

it('a lease whose body is missing ends its task; one whose body cannot be read is sent again later', async () => {
  const lease = { epoch: 1, leaseSeq: 4, reservation: { devices: [] } };
  const task = { id: 7, attempt: 2, body: 'b', lease, spec: { envelope } };
  const effect = { kind: 'lease', session, task, attempt: 2, leaseSeq: 4, floor: 1, gated: true } as never;
  const gone = performing({ blob: async () => undefined });
  await gone.perform(effect);
  expect(gone.missing).toEqual([[7, 2, expect.stringMatching(/no body b/)]]);
  expect(gone.logged).toHaveLength(1);
  const unread = performing({ blob: broken });
  await unread.perform(effect);
  expect([unread.missing, unread.sent, unread.logged.length]).toEqual([[], [], 1]);
});

it('a session’s questions are read one at a time, in order; too many end it', async () => {
  let open = 0;
  const order: number[] = [];
  const { performer, sent, closed } = performing({
    historyOf: async (task) => {
      open += 1;
      expect(open).toBe(1);
      await new Promise(setImmediate);
      open -= 1;
      order.push(task);
      return { ...stored, task };
    },
  });
  const ask = (task: number): void =>
    performer.perform({ ...lookup('show'), task: task as never, answer: { kind: 'finished' } } as never);
  for (let task = 1; task <= 1000; task += 1) ask(task);
  while (sent.length < 1000) await new Promise(setImmediate);
  expect(order).toEqual(Array.from({ length: 1000 }, (_, n) => n + 1));
  for (let task = 1; task <= mostQuestions + 1; task += 1) ask(task);
  expect(closed).toMatchObject([{ code: 'rejected.limit' }]);
});

it('a task of the past is not entered', async () => {
  const { perform, sent } = performing({ historyOf: async () => stored });
  await perform(lookup('exec'));
  const message = 't7 is not running (succeeded): exec enters tasks that run';
  expect(sent).toMatchObject([{ kind: 'reply', id: 3, failure: { code: 'rejected.state', message } }]);
});
