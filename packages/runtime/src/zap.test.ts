import { expect, it } from 'vitest';
import { Context, Dealer } from 'zeromq';
import { ZapHandler } from './zap.ts';

const request = ['', '1.0', '1', 'control', '', '', 'CURVE', Buffer.alloc(32)];

it('may be stopped at any moment while others ask to be let in', async () => {
  for (let later = 0; later < 30; later++) {
    const context = new Context();
    const asker = new Dealer({ context, linger: 0 });
    asker.connect('inproc://zeromq.zap.01');
    for (let n = 0; n < 3; n++) await asker.send(request);

    let admit: () => void = () => undefined;
    const admitted = new Promise<void>((resolve) => {
      admit = resolve;
    });
    const handler = new ZapHandler(context, () => {
      admit();
      return true;
    });
    await handler.start();
    await admitted;
    for (let turn = 0; turn < later; turn++) await undefined;
    await handler.stop();

    expect(handler.counters.admitted).toBeGreaterThan(0);
    asker.close();
  }
});
