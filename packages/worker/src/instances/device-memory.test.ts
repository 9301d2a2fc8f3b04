/** Whether an instance computes where it is to, and whether its memory came back: looks are played, time passes at once. */
import type { DeviceShare, DeviceUuid } from '@gryphgen/protocol';
import type { Alarms, Clock } from '@gryphgen/runtime';
import { beforeEach, expect, it } from 'vitest';
import type { SeenDevice } from '../core/device-claims.ts';
import { untilBack, whyNotThere } from './device-memory.ts';

const GiB = 1024 ** 3;
const key = '1.7.1';
const uuid = 'GPU-a' as DeviceUuid;
const shares: readonly DeviceShare[] = [{ uuid, vramBytes: 8.5 * GiB, whole: false }];
const signal = new AbortController().signal;
let now: number;
let looked: number;
let played: readonly (readonly SeenDevice[])[];

beforeEach(() => {
  [now, looked, played] = [0, 0, []];
});

const clock: Clock = { mono: () => now, wall: () => now };
const alarms: Alarms = {
  after: (ms, call) => {
    const due = setImmediate(() => {
      now += ms;
      call();
    });
    return () => clearImmediate(due);
  },
} as Alarms;
/** One after the other, from then on the last. */
const looks = {
  get seen() {
    return played[Math.max(0, looked - 1)] ?? [];
  },
  look: () => {
    looked += 1;
    const at = Math.min(looked, played.length) - 1;
    return Promise.resolve(played[at] ?? []);
  },
};
const tools = { looks, clock, alarms };
const card = (
  held: number | undefined,
  free: number,
  more: Partial<SeenDevice> = {},
): readonly SeenDevice[] => {
  const usedBy = held === undefined ? undefined : new Map(held === 0 ? [] : [[key, held * GiB]]);
  return [{ uuid, name: 'RTX 3060', freeBytes: free * GiB, unlistedBytes: 0, usedBy, ...more }];
};
const start = () => whyNotThere(tools, { key, shares, signal });
const end = (before = card(8, 4)) => untilBack(tools, { key, before, signal });

it('what holds about what was planned is there, as soon as one look says so', async () => {
  played = [card(0, 12), card(6, 6)];
  expect(await start()).toBeNull();
  expect(looked).toBe(2);
});

it('what holds next to nothing by every look is not, in words', async () => {
  played = [card(0, 12), card(0.1, 11.9)];
  expect(await start()).toMatchObject({
    code: 'execution.model',
    message:
      '8704 MiB of RTX 3060 were planned for it, and once it was ready it held 102.4 MiB: it computes on the host, which nobody asked for',
  });
  expect(looked).toBe(3);
});

it.each([
  ['no look answers', []],
  ['nobody can tell whose memory is whose', card(undefined, 4)],
  ['the driver lists no processes', card(0, 4, { unlistedBytes: 8 * GiB })],
])('nothing is held against it where %s', async (_, seen) => {
  played = [seen];
  expect(await start()).toBeNull();
});

it('a look that hangs holds nothing up', async () => {
  const never = { seen: card(8, 4), look: () => new Promise<readonly SeenDevice[]>(() => undefined) };
  expect(await whyNotThere({ ...tools, looks: never }, { key, shares, signal })).toBeNull();
  expect(await untilBack({ ...tools, looks: never }, { key, before: card(8, 4), signal })).toBe('');
});

it('an end waits until its memory is free again, whatever others take meanwhile', async () => {
  played = [
    card(0, 4),
    card(0, 9, { usedBy: new Map([['other', 1 * GiB]]) }),
    card(0, 9.5, { usedBy: new Map([['other', 2 * GiB]]) }),
  ];
  expect(await end()).toBe('');
  expect(looked).toBe(3);
});

it('an end whose memory does not come back is told after a bound, with what is lacking', async () => {
  played = [card(0, 4)];
  expect(await end()).toBe('the 8 GiB that it held of RTX 3060 were not free again after 10 s');
  expect(now).toBeLessThanOrEqual(11_000);
});

it('one that held nothing ends at once', async () => {
  expect(await end(card(0, 12))).toBe('');
  expect(looked).toBe(0);
});
