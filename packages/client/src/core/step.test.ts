/** The client's core against a peer written by hand: what it sends, when it repeats, whom it answers. */
import type { ClientId, SessionMessage, TaskId, ToClient } from '@gryphgen/protocol';
import { defaultTimers, failure } from '@gryphgen/protocol';
import { describe, expect, it } from 'vitest';
import type { ClientEffect } from './effects.ts';
import type { ClientEvent } from './events.ts';
import { type ClientBounds, createClientState } from './state.ts';
import { composeClientHello, stepClient } from './step.ts';

const { heartbeatMs } = defaultTimers;
const bytes = new Uint8Array([0xc0]);
const bounds: ClientBounds = { outstanding: 3, awaited: 10, requests: 2 };

class Fixture {
  readonly state = createClientState('c1' as ClientId, bounds);
  mono = 0;
  private sessions = 0;

  do(event: ClientEvent): ClientEffect[] {
    return stepClient(this.state, event, { mono: this.mono });
  }
  open(): ClientEffect[] {
    composeClientHello(this.state);
    return this.do({ kind: 'sessionOpened', session: `s${++this.sessions}`, timers: defaultTimers });
  }
  hear(message: ToClient, session = `s${this.sessions}`): ClientEffect[] {
    return this.do({ kind: 'message', session, message });
  }
  submit(ref: number, key = '', progress = false): ClientEffect[] {
    return this.do({ kind: 'submit', ref, key, envelope: bytes, body: bytes, progress });
  }
  /** The messages of the next heartbeats, heartbeats aside. */
  beats(count: number): SessionMessage[] {
    const sent: SessionMessage[] = [];
    for (let n = 0; n < count; n++) {
      this.mono += heartbeatMs;
      sent.push(...messages(this.do({ kind: 'tick' })));
    }
    return sent.filter(({ kind }) => kind !== 'heartbeat');
  }
}

function messages(effects: readonly ClientEffect[]): SessionMessage[] {
  return effects.flatMap((effect) => (effect.kind === 'send' ? [effect.message] : []));
}

function finished(task: number): ToClient {
  const none = { attempt: 1 as never, exitCode: 0, failure: null, outcome: bytes };
  return { kind: 'finished', task: task as TaskId, state: 'succeeded', ...none };
}

const accepted = (seq: number, task: number): ToClient => ({ kind: 'accepted', seq, task: task as TaskId });

describe('submitting', () => {
  it('keeps what is submitted before there is a session, and sends it in order when there is one', () => {
    const client = new Fixture();
    expect(client.submit(1)).toEqual([]);
    expect(client.submit(2)).toEqual([]);
    const sent = messages(client.open());
    expect(sent).toMatchObject([
      { kind: 'heartbeat', seq: 1 },
      { kind: 'submit', seq: 1, floor: 1 },
      { kind: 'submit', seq: 2, floor: 1 },
    ]);
  });

  it('raises the floor to the lowest number unanswered', () => {
    const client = new Fixture();
    client.open();
    for (const ref of [1, 2]) client.submit(ref);
    client.hear(accepted(2, 20));
    expect(messages(client.submit(3))).toMatchObject([{ seq: 3, floor: 1 }]);
    client.hear(accepted(1, 10));
    expect(messages(client.submit(4))).toMatchObject([{ seq: 4, floor: 3 }]);
  });

  it('repeats every two heartbeats until answered, and answers its caller once', () => {
    const client = new Fixture();
    client.open();
    client.submit(7);
    expect(client.beats(1)).toEqual([]);
    expect(client.beats(1)).toMatchObject([{ kind: 'submit', seq: 1 }]);
    expect(client.beats(1)).toEqual([]);
    expect(client.hear(accepted(1, 42))).toEqual([{ kind: 'accepted', ref: 7, task: 42 }]);
    expect(client.hear(accepted(1, 42))).toEqual([]);
    expect(client.beats(4)).toEqual([]);
  });

  it('tells the caller of a refusal and asks no more', () => {
    const client = new Fixture();
    client.open();
    client.submit(7);
    const why = failure('rejected.impossible', 'no');
    expect(client.hear({ kind: 'refused', seq: 1, failure: why })).toEqual([
      { kind: 'failed', ref: 7, failure: why },
    ]);
    expect(client.beats(20)).toEqual([]);
  });

  it('says that it is full, keeps nothing, and says when there is room', () => {
    const client = new Fixture();
    client.open();
    for (const ref of [1, 2, 3]) client.submit(ref);
    expect(client.submit(4)).toEqual([{ kind: 'full', ref: 4, bound: 'outstanding' }]);
    // The second's answer leaves the window as wide as before: the broker counts from the first.
    expect(client.hear(accepted(2, 20))).not.toContainEqual({ kind: 'room' });
    expect(client.hear(accepted(1, 10))).toContainEqual({ kind: 'room' });
    expect(messages(client.submit(5))).toMatchObject([{ seq: 4, floor: 3 }]);
  });
});

describe('waiting for the end', () => {
  it('answers every caller that waits for a task, once', () => {
    const client = new Fixture();
    client.open();
    client.submit(1, 'k');
    client.submit(2, 'k');
    client.hear(accepted(1, 5));
    client.hear(accepted(2, 5));
    client.do({ kind: 'watch', ref: 3, task: 5 as TaskId, progress: false });
    const answered = client.hear(finished(5)).map((effect) => 'ref' in effect && effect.ref);
    expect(answered).toEqual([1, 2, 3]);
    expect(client.hear(finished(5))).toEqual([]);
  });

  it('asks again in a new session, in chunks, apart for those that want progress', () => {
    const client = new Fixture();
    client.open();
    client.submit(1);
    client.hear(accepted(1, 5));
    client.do({ kind: 'watch', ref: 2, task: 6 as TaskId, progress: true });
    expect(messages(client.open()).slice(1)).toEqual([
      { kind: 'watch', tasks: [5], progress: false },
      { kind: 'watch', tasks: [6], progress: true },
    ]);
  });

  it('asks again every ten heartbeats', () => {
    const client = new Fixture();
    client.open();
    client.submit(1);
    client.hear(accepted(1, 5));
    expect(client.beats(9)).toEqual([]);
    expect(client.beats(1)).toMatchObject([{ kind: 'watch', tasks: [5] }]);
    expect(client.beats(9)).toEqual([]);
    expect(client.beats(1)).toMatchObject([{ kind: 'watch', tasks: [5] }]);
  });

  it('needs no watch for the changes of what it submits, but of a broker that does not say so', () => {
    const client = new Fixture();
    client.open();
    expect(messages(client.submit(1, '', true))).toMatchObject([{ kind: 'submit', progress: true }]);
    client.submit(2, '', true);
    const taken = { kind: 'accepted', seq: 1, task: 5 as TaskId, progress: true } as const;
    expect(messages(client.hear(taken))).toEqual([]);
    expect(messages(client.hear(accepted(2, 6)))).toEqual([{ kind: 'watch', tasks: [6], progress: true }]);
    const changed = { kind: 'changed', state: 'leased', attempt: 1 as never, worker: 'w-1' } as const;
    expect(client.hear({ ...changed, task: 5 as TaskId })).toMatchObject([{ kind: 'changed', ref: 1 }]);
    expect(messages(client.open()).slice(1)).toEqual([{ kind: 'watch', tasks: [5, 6], progress: true }]);
  });

  it('tells of changes only those who asked for them', () => {
    const client = new Fixture();
    client.open();
    client.do({ kind: 'watch', ref: 2, task: 6 as TaskId, progress: true });
    client.do({ kind: 'watch', ref: 3, task: 6 as TaskId, progress: false });
    const none = { attempt: 1 as never, worker: 'w-1' };
    const effects = client.hear({ kind: 'changed', task: 6 as TaskId, state: 'running', ...none });
    expect(effects).toMatchObject([{ kind: 'changed', ref: 2 }]);
  });

  it('stops asking when the last caller has given up', () => {
    const client = new Fixture();
    client.open();
    client.do({ kind: 'watch', ref: 2, task: 6 as TaskId, progress: false });
    client.submit(3);
    client.do({ kind: 'forget', ref: 2 });
    client.do({ kind: 'forget', ref: 3 });
    // The submission itself still goes through.
    expect(client.hear(accepted(1, 7))).toMatchObject([{ kind: 'accepted', ref: 3 }]);
    expect(client.beats(30)).toEqual([]);
  });
});

describe('asking', () => {
  it('repeats what is unanswered, in a new session and every four heartbeats', () => {
    const client = new Fixture();
    client.do({ kind: 'request', ref: 1, op: 'nodes', args: {} });
    const ask = { kind: 'request', id: 1, op: 'nodes', args: {} };
    expect(messages(client.open())).toContainEqual(ask);
    expect(messages(client.open())).toContainEqual(ask);
    expect(client.beats(3)).toEqual([]);
    expect(client.beats(1)).toEqual([ask]);
    const reply: ToClient = { kind: 'reply', id: 1, result: [], failure: null };
    expect(client.hear(reply)).toEqual([{ kind: 'replied', ref: 1, result: [] }]);
    expect(client.hear(reply)).toEqual([]);
    expect(client.beats(8)).toEqual([]);
  });

  it('is bounded', () => {
    const client = new Fixture();
    for (const ref of [1, 2]) client.do({ kind: 'request', ref, op: 'nodes', args: {} });
    expect(client.do({ kind: 'request', ref: 3, op: 'nodes', args: {} })).toEqual([
      { kind: 'full', ref: 3, bound: 'requests' },
    ]);
  });
});

describe('sessions', () => {
  it('ignores what comes in an older one, or after a hello was composed (E2)', () => {
    const client = new Fixture();
    client.open();
    client.submit(1);
    client.open();
    expect(client.hear(accepted(1, 5), 's1')).toEqual([]);
    composeClientHello(client.state);
    expect(client.hear(accepted(1, 5))).toEqual([]);
  });

  it('numbers heartbeats from 1 in each', () => {
    const client = new Fixture();
    client.open();
    client.beats(3);
    expect(messages(client.open())).toEqual([{ kind: 'heartbeat', seq: 1, attempts: [] }]);
  });

  it('fails everything pending, and everything later, when the grid will not have it', () => {
    const client = new Fixture();
    client.open();
    client.submit(1);
    client.hear(accepted(1, 5));
    client.submit(2);
    client.do({ kind: 'request', ref: 3, op: 'nodes', args: {} });
    const why = failure('rejected.forbidden', 'this key is not authorised');
    const failed = (ref: number) => ({ kind: 'failed', ref, failure: why });
    expect(client.do({ kind: 'refused', failure: why })).toEqual([failed(2), failed(1), failed(3)]);
    expect(client.submit(4)).toEqual([failed(4)]);
    expect(client.do({ kind: 'watch', ref: 5, task: 1 as TaskId, progress: false })).toEqual([failed(5)]);
  });
});
