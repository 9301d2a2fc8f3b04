/**
 * A journal that does not write for a while, by hanging or for want of space: what is held back meanwhile is bounded,
 * what needs no commit goes on, and all that was accepted is done when it writes again (E19).
 */
import { type Journal, JournalError, type OpenedJournal, openJournal } from '@gryphgen/broker';
import type { Client } from '@gryphgen/client';
import {
  encodeEnvelope,
  envelopeDefaults,
  type Lease,
  type ToBroker,
  type ToWorker,
} from '@gryphgen/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BrokerFixture } from './broker.fixture.ts';

const none = new Uint8Array(0);
const resources = { ...envelopeDefaults.resources, cpuMilli: 10 };
const noop = { kind: 'noop', resources } as const;

/** A real journal with a tap before it. */
class Tap {
  private fault: 'hang' | 'full' | null = null;
  private letGo: () => void = () => undefined;
  private open = Promise.resolve();

  readonly openJournal = async (...args: Parameters<typeof openJournal>): Promise<OpenedJournal> => {
    const opened = await openJournal(...args);
    const { journal } = opened;
    const append: Journal['append'] = async (group) => {
      if (this.fault === 'full') throw new JournalError('full', 'no space is left on the device');
      await this.open;
      return journal.append(group);
    };
    const tapped = new Proxy(journal, {
      get: (target, name) => {
        if (name === 'append') return append;
        const value = Reflect.get(target, name, target) as unknown;
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
    return { ...opened, journal: tapped };
  };

  close(fault: 'hang' | 'full'): void {
    this.fault = fault;
    if (fault === 'full') return;
    this.open = new Promise((resolve) => {
      this.letGo = resolve;
    });
  }

  again(): void {
    this.fault = null;
    this.letGo();
  }
}

let tap: Tap;
let grid: BrokerFixture;

beforeEach(async () => {
  tap = new Tap();
  grid = new BrokerFixture({ openJournal: tap.openJournal });
  await grid.start();
});

afterEach(async () => {
  tap.again();
  await grid.stop();
});

const statusOf = (client: Client) => client.request('status', {});
const resultOf = ({ task, attempt, epoch }: Lease): ToBroker => ({
  kind: 'result',
  task,
  attempt,
  epoch,
  exitCode: 0,
  failure: null,
  ranMs: 1,
  outcome: none,
});

/** Asks for the status, which is answered in a stall too, until it is as `is` says. */
async function until(client: Client, is: (stalled: boolean) => boolean): Promise<void> {
  while (!is((await statusOf(client)).journalStalled))
    await new Promise((resolve) => setTimeout(resolve, 100));
}

describe.each(['hang', 'full'] as const)('a journal that does not write (%s)', (fault) => {
  it('bounds what waits for it, lets go on what does not need it, and completes the rest', async () => {
    const leases: Lease[] = [];
    let answers = false;
    let acknowledged = 0;
    const link = await grid.worker('anvil', (message: ToWorker, say) => {
      if (message.kind === 'resultAck') acknowledged += 1;
      if (message.kind !== 'lease') return;
      const lease = structuredClone(message);
      if (answers) say(resultOf(lease));
      else leases.push(lease);
    });
    const client = await grid.client('admin', undefined, { requests: 5000 });
    const submitted = Array.from({ length: 100 }, () => client.submit(noop));
    const ids = await Promise.all(submitted.map(({ accepted }) => accepted));
    while (leases.length < ids.length) await new Promise(setImmediate);

    tap.close(fault);
    // The first is decided before anybody can know; it waits for the disk, and is accepted when there is one.
    const first = client.submit(noop);
    await until(client, (stalled) => stalled);

    // Thousands of results, repeated as E10 has it: none is answered, none is held.
    for (let round = 0; round < 200; round += 1) for (const lease of leases) link.send(resultOf(lease));
    const refusals = await Promise.all(
      Array.from({ length: 3000 }, (_, n) =>
        client.request('cancel', { task: ids[n % ids.length] as never }).then(
          () => 'done',
          (error: { code: string }) => error.code,
        ),
      ),
    );
    expect(new Set(refusals)).toEqual(new Set(['unplaceable.journal']));
    await expect(client.submit(noop).accepted).rejects.toMatchObject({ code: 'unplaceable.journal' });
    await expect(client.request('drain', { node: 'anvil', draining: true })).rejects.toMatchObject({
      code: 'unplaceable.journal',
    });
    // Questions are answered.
    const listed = await Promise.all(
      Array.from({ length: 500 }, () => client.request('ps', { all: false, limit: 100 })),
    );
    expect(listed.every((rows) => rows.length === 100)).toBe(true);
    expect((await client.request('show', { task: ids[0] as never })).id).toBe(`t${ids[0]}`);
    // What is not durable goes on.
    answers = true;
    const quick = await Promise.all(
      Array.from({ length: 200 }, () => client.submit({ ...noop, durable: false }).finished),
    );
    expect(quick.every(({ state }) => state === 'succeeded')).toBe(true);

    const status = await statusOf(client);
    expect(status.journalStalled).toBe(true);
    // Nothing of the results. Each lease once, where this took so long that it fell due before the stall was noticed (E9).
    expect(status.door.held).toBeLessThan(leases.length + 50);
    // Acknowledgements wait for company, and not for long (E38).
    await expect.poll(() => acknowledged, { timeout: 20_000 }).toBe(quick.length);
    expect(status.live).toBe(ids.length + 1);

    tap.again();
    await first.accepted;
    for (const lease of leases) link.send(resultOf(lease));
    const outcomes = await Promise.all([first, ...submitted].map(({ finished }) => finished));
    expect(outcomes.every(({ state }) => state === 'succeeded')).toBe(true);
    await until(client, (stalled) => !stalled);
    expect(await client.submit(noop).finished).toMatchObject({ state: 'succeeded' });
    expect(await statusOf(client)).toMatchObject({ live: 0, journalStalled: false, door: { held: 0 } });
    expect(grid.fatal).toEqual([]);
  });
});

it('holds no more of a peer than its credit before the stall is noticed', async () => {
  const client = await grid.client('admin', undefined, { requests: 5000 });
  await grid.worker('anvil', () => undefined);
  tap.close('hang');
  const first = client.submit(noop);
  // Asked at full speed: each answer tells of what is not durable, so each is held back, and its credit with it.
  const asked = Array.from({ length: 4000 }, () => client.request('nodes', {}));
  const other = await grid.client();
  await until(other, (stalled) => stalled);
  const { door } = await statusOf(other);
  expect(door.held).toBeLessThanOrEqual(4096 * 6);
  tap.again();
  await first.accepted;
  await Promise.all(asked);
  expect((await statusOf(other)).door.held).toBe(0);
  expect(grid.fatal).toEqual([]);
});

it('bodies beyond what one group of the journal takes are written in several', async () => {
  const envelopeBytes = encodeEnvelope({ ...envelopeDefaults, ...noop });
  tap.close('hang');
  const client = await grid.client();
  const submit = (n: number) =>
    client.submit({ envelopeBytes, bodyBytes: Buffer.alloc(250_000, `${n} `) }).accepted;
  // On a slow machine some come when the stall has been noticed, and are refused.
  const refused: number[] = [];
  const submitted = Array.from({ length: 400 }, (_, n) =>
    submit(n).catch((error: unknown) => {
      expect(error).toMatchObject({ code: 'unplaceable.journal' });
      refused.push(n);
      return null;
    }),
  );
  await until(client, (stalled) => stalled);
  tap.again();
  const taken = (await Promise.all(submitted)).filter((id) => id !== null);
  expect(taken.length).toBeGreaterThan(0);
  await until(client, (stalled) => !stalled);
  const ids = [...taken, ...(await Promise.all(refused.map(submit)))];
  expect(new Set(ids).size).toBe(400);
  expect(grid.fatal).toEqual([]);
});
