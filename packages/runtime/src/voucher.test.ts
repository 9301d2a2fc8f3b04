import { afterEach, describe, expect, it } from 'vitest';
import { type Alarms, systemAlarms, systemClock } from './clock.ts';
import { createIdentity, gridIdOf } from './keys.ts';
import { readVoucher, serialAfter, signVoucher } from './voucher.ts';
import { askVoucher, voucherEndpoint } from './voucher-question.ts';
import { VoucherServer } from './voucher-server.ts';

const grid = createIdentity();
const broker = createIdentity();
const said = {
  serial: 7,
  brokerKey: broker.key,
  brokerCurveKey: broker.curve.publicKey,
  brokers: ['tcp://anvil:7600'],
};
const token = signVoucher(grid, said);

describe('a voucher', () => {
  it('says what the grid’s key has signed', () => {
    expect(readVoucher(token, grid.key)).toEqual({ grid: gridIdOf(grid.key), ...said });
  });

  it.each<[string, string]>([
    ['signed by the broker', signVoucher(broker, said)],
    ['with a letter changed', token.replace(/^..../, (text) => `${text.slice(0, 3)}X`)],
    [
      'with another signature',
      `${token.split('.')[0]}.${signVoucher(grid, { ...said, serial: 8 }).split('.')[1]}`,
    ],
    ['cut', token.slice(0, -1)],
    ['with more behind it', `${token}.x`],
    ['empty', ''],
    ['without end', 'x'.repeat(1_000_000)],
  ])('%s is none', (_, forged) => {
    expect(readVoucher(forged, grid.key)).toBeUndefined();
  });

  it('is followed by one with a higher serial, whatever the clock says', () => {
    expect(serialAfter(0, 1_800_000_000_999)).toBe(1_800_000_000);
    expect(serialAfter(1_900_000_000, 1_800_000_000_000)).toBe(1_900_000_001);
  });
});

/** For those who are answered, on a busy machine too. */
const patient: Alarms = { after: (ms, run) => systemAlarms.after(10 * ms, run) };

describe('where members ask for it', () => {
  let server: VoucherServer | undefined;
  afterEach(() => server?.stop());

  const member = createIdentity();
  async function open(now = systemClock.mono): Promise<string> {
    server = new VoucherServer({
      endpoints: ['tcp://127.0.0.1:*'],
      gridKey: grid.key,
      admits: (curveKey) => curveKey === member.curve.publicKey,
      voucher: () => token,
      clock: { ...systemClock, mono: now },
    });
    const [endpoint = ''] = await server.start();
    return endpoint;
  }

  it('it is given to those who are let in, who need to know nothing but the grid’s key', async () => {
    const endpoint = await open();
    expect(await askVoucher(endpoint, grid.key, member.curve, patient)).toBe(token);
    expect(server?.counters).toEqual({ answered: 1, unanswered: 0 });
  });

  it.each<[string, string, typeof member]>([
    ['a stranger', grid.key, createIdentity()],
    ['a member of another grid', createIdentity().key, member],
  ])('%s is not answered', async (_, key, who) => {
    expect(await askVoucher(await open(), key, who.curve, systemAlarms)).toBeUndefined();
    expect(server?.counters).toEqual({ answered: 0, unanswered: 0 });
  });

  it('so many are answered in a second, and no more', async () => {
    let nowMs = 5000;
    const endpoint = await open(() => nowMs);
    const ask = (alarms = patient) => askVoucher(endpoint, grid.key, member.curve, alarms);
    for (let nth = 0; nth < 200; nth += 1) expect(await ask()).toBe(token);
    expect(await ask(systemAlarms)).toBeUndefined();
    nowMs += 1000;
    expect(await ask()).toBe(token);
    expect(server?.counters).toEqual({ answered: 201, unanswered: 1 });
  });

  it('is two ports after the broker’s, and nowhere beside a socket of this machine', () => {
    expect(voucherEndpoint('tcp://[::1]:7600')).toBe('tcp://[::1]:7602');
    expect(voucherEndpoint('ipc:///run/broker.sock')).toBeUndefined();
    expect(voucherEndpoint('tcp://anvil:65534')).toBeUndefined();
  });
});
