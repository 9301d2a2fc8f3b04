import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ReceiveWindow, SendCredit } from './byte-credit.ts';
import { windowBytes } from './data-wire.ts';

const part = fc.integer({ min: 1, max: windowBytes });
const action = fc.oneof(
  fc.record({ kind: fc.constant('send' as const), bytes: part }),
  fc.record({ kind: fc.constant('take' as const), bytes: part }),
  /** Of the grants on their way the one at `at` arrives; it may arrive again. */
  fc.record({ kind: fc.constant('grant' as const), at: fc.nat(), again: fc.boolean() }),
);

it('whatever the order: never more than a window on its way, nothing refused, and neither waits for the other', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 200 }), (actions) => {
      const receiver = new ReceiveWindow();
      const sender = new SendCredit(receiver.total);
      const grants: number[] = [];
      let [sent, taken] = [0, 0];
      const take = (bytes: number): void => {
        taken += bytes;
        const total = receiver.take(bytes);
        if (total !== undefined) grants.push(total);
      };
      for (const one of actions) {
        if (one.kind === 'send') {
          const bytes = Math.min(one.bytes, sender.room);
          sender.spend(bytes);
          sent += bytes;
          expect(receiver.receive(bytes)).toBe(true);
          expect(sent - taken).toBeLessThanOrEqual(windowBytes);
        } else if (one.kind === 'take') take(Math.min(one.bytes, sent - taken));
        else if (grants.length > 0) {
          const at = one.at % grants.length;
          sender.grant(grants[at] as number);
          if (!one.again) grants.splice(at, 1);
        }
      }
      take(sent - taken);
      for (const total of grants) sender.grant(total);
      expect(sender.room).toBeGreaterThan(0);
    }),
  );
});

it('what was not granted is refused, and so is all that follows', () => {
  const receiver = new ReceiveWindow();
  expect(receiver.receive(windowBytes)).toBe(true);
  expect(receiver.receive(1)).toBe(false);
  expect(receiver.receive(0)).toBe(false);
  expect(new ReceiveWindow(0).receive(1)).toBe(false);
});

it('grants are worth a message: one for each half of a window', () => {
  const receiver = new ReceiveWindow();
  const told: (number | undefined)[] = [];
  for (let nth = 0; nth < 8; nth += 1) told.push(receiver.take(windowBytes / 8));
  expect(told.filter((total) => total !== undefined)).toEqual([windowBytes * 1.5, windowBytes * 2]);
});
