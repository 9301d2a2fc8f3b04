import { failure, GridError, limits, type PrincipalId } from '@gryphgen/protocol';
import { type Alarms, createLog } from '@gryphgen/runtime';
import { expect, it } from 'vitest';
import { type ActingClient, ActingSessions } from './acting-sessions.ts';
import type { Asker } from './grid-door.ts';

/** The other side of every session: it knows no model, and notes who comes and goes. */
class Broker {
  readonly log: string[] = [];
  answer: () => Promise<never[]> = async () => [];

  readonly connect = async (who: Asker): Promise<ActingClient> => {
    this.log.push(`open ${who.principal}`);
    const request = () => this.answer();
    const close = async () => void this.log.push(`close ${who.principal}`);
    // Nothing is submitted here.
    return { request, close } as unknown as ActingClient;
  };
}

/** Time goes on when a test says so. */
class Hand implements Alarms {
  private readonly due = new Set<() => void>();

  after(_: number, run: () => void): () => void {
    this.due.add(run);
    return () => this.due.delete(run);
  }

  ring(): void {
    for (const run of [...this.due]) run();
  }
}

const who = (n: number): Asker => ({ principal: `p-${n}` as PrincipalId, role: 'submitter' });
const signal = () => new AbortController().signal;

function made() {
  const [broker, alarms] = [new Broker(), new Hand()];
  const log = createLog({ daemon: 'gateway', level: 'silent' });
  return { broker, alarms, sessions: new ActingSessions({ connect: broker.connect, alarms, log }) };
}

it('one principal has one session, until nobody has used it for long', async () => {
  const { broker, alarms, sessions } = made();
  await Promise.all([sessions.models(who(1), signal()), sessions.models(who(1), signal())]);
  await sessions.models(who(2), signal());
  expect(broker.log).toEqual(['open p-1', 'open p-2']);
  alarms.ring();
  await sessions.stop();
  expect(broker.log.slice(2).sort()).toEqual(['close p-1', 'close p-2']);
  await expect(sessions.models(who(1), signal())).rejects.toThrow('the gateway is stopping');
});

it('a session that has failed serves nobody else', async () => {
  const { broker, sessions } = made();
  await sessions.models(who(1), signal());
  broker.answer = () => Promise.reject(new GridError(failure('lost.broker', 'away')));
  await expect(sessions.models(who(1), signal())).rejects.toThrow('away');
  broker.answer = async () => [];
  await sessions.models(who(1), signal());
  expect(broker.log.filter((line) => line === 'open p-1')).toHaveLength(2);
  await sessions.stop();
});

it('when there are as many as may be, the one that rested longest makes room, and none that is used', async () => {
  const { broker, sessions } = made();
  const most = limits.sessionsPerKey - 16;
  for (let n = 0; n < most; n++) await sessions.models(who(n), signal());
  await sessions.models(who(0), signal());
  await sessions.models(who(most), signal());
  await sessions.models(who(0), signal());
  expect(broker.log.filter((line) => line.startsWith('close'))).toEqual(['close p-1']);
  expect(broker.log.filter((line) => line === 'open p-0')).toHaveLength(1);
  let goOn: (models: never[]) => void = () => undefined;
  broker.answer = () =>
    new Promise((resolve) => {
      const before = goOn;
      goOn = (models) => {
        before(models);
        resolve(models);
      };
    });
  const all = Array.from({ length: most }, (_, n) => sessions.models(who(1000 + n), signal()));
  await expect(sessions.models(who(5000), signal())).rejects.toThrow(`serves ${most} principals already`);
  await new Promise(setImmediate);
  goOn([]);
  await Promise.all(all);
  await sessions.stop();
});
