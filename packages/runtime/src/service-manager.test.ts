import { expect, it } from 'vitest';
import type { Alarms, Cancel } from './clock.ts';
import { serviceManager } from './service-manager.ts';

function manager(env: Record<string, string | undefined>) {
  const told: string[] = [];
  const due: { ms: number; run: () => void }[] = [];
  const refuse: string[] = [];
  const alarms: Alarms = {
    after(ms, run): Cancel {
      const entry = { ms, run };
      due.push(entry);
      return () => void (due.includes(entry) && due.splice(due.indexOf(entry), 1));
    },
  };
  const write = (descriptor: number, text: unknown): number => {
    const code = refuse.shift();
    if (code !== undefined) throw Object.assign(new Error(code), { code });
    told.push(`${descriptor}: ${String(text)}`);
    return 1;
  };
  const service = serviceManager(env, alarms, write as Parameters<typeof serviceManager>[2]);
  return { told, due, refuse, service, next: () => due.shift()?.run() };
}

const asSystemd = () => ({
  GRID_NOTIFY_FD: '4',
  NOTIFY_SOCKET: '/run/systemd/notify',
  WATCHDOG_USEC: '30000000',
  WATCHDOG_PID: '1',
  PATH: '/bin',
});

it('tells what it is doing, and what it came to; the watchdog is fed from then on', () => {
  const env = asSystemd();
  const { told, due, next, service } = manager(env);
  service.status('reads\nits journal');
  expect(told).toEqual(['4: STATUS=reads its journal']);
  expect(due).toEqual([]);
  service.ready('answers');
  expect(told.slice(1)).toEqual(['4: READY=1\nSTATUS=answers', '4: WATCHDOG=1']);
  expect(due.map(({ ms }) => ms)).toEqual([10_000]);
  next();
  expect(told.slice(3)).toEqual(['4: WATCHDOG=1']);
  service.stopping();
  next();
  expect(told.slice(4)).toEqual(['4: STOPPING=1', '4: WATCHDOG=1']);
  service.close();
  expect(due).toEqual([]);
  // What it starts could speak for it, or would believe that it is watched.
  expect(env).toEqual({ PATH: '/bin' });
});

it('tells again what a busy manager did not take, in order; a feed is not repeated', () => {
  const { told, due, refuse, next, service } = manager(asSystemd());
  refuse.push('EAGAIN', 'EAGAIN', 'ECONNREFUSED');
  service.ready('answers');
  service.stopping();
  expect(told).toEqual([]);
  expect(due.map(({ ms }) => ms)).toEqual([10_000, 100]);
  due.reverse();
  next();
  expect(told).toEqual(['4: READY=1\nSTATUS=answers\nSTOPPING=1']);
  expect(due.map(({ ms }) => ms)).toEqual([10_000]);
});

it('is silent where nobody listens, and where the manager is gone for good', () => {
  const alone = manager({ PATH: '/bin' });
  alone.service.ready('answers');
  alone.service.stopping();
  expect([alone.told, alone.due]).toEqual([[], []]);
  const left = manager({ GRID_NOTIFY_FD: '4' });
  left.refuse.push('EBADF');
  left.service.ready('answers');
  expect([left.told, left.due]).toEqual([[], []]);
});
