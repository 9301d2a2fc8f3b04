import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ProcessOutput } from './process-output.ts';

/** What a log that is written and acknowledged byte for byte gets of it. */
class TakingLog {
  text = '';

  receive(at: number, bytes: Uint8Array): void {
    expect(at).toBe(this.text.length);
    this.text += Buffer.from(bytes).toString();
  }
}

it('gives each byte once, in order, whoever follows and however much of it was taken', () => {
  const steps = fc.oneof(
    fc.record({ kind: fc.constant('put' as const), text: fc.string({ minLength: 0, maxLength: 5 }) }),
    fc.record({ kind: fc.constant('take' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
    // The worker is killed when so much of what it was sent is in its log.
    fc.record({ kind: fc.constant('restart' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
  );
  fc.assert(
    fc.property(fc.array(steps), (all) => {
      const output = new ProcessOutput();
      const log = new TakingLog();
      let put = '';
      const follow = () => output.follow(log.text.length, (at, bytes) => log.receive(at, bytes));
      const between = (share: number) => output.from + Math.floor(share * (log.text.length - output.from));
      follow();
      for (const step of all) {
        if (step.kind === 'put') {
          const text = Buffer.from(step.text).toString('hex');
          put += text;
          void output.put(Buffer.from(text));
        } else if (step.kind === 'take') output.take(between(step.share));
        else {
          output.leave();
          log.text = log.text.slice(0, between(step.share));
          follow();
        }
      }
      expect(log.text).toBe(put);
      expect([output.to, output.from <= output.to]).toEqual([put.length, true]);
    }),
  );
});

it('makes whoever fills it wait until somebody has taken what it holds', async () => {
  const output = new ProcessOutput();
  let free = false;
  const full = output.put(Buffer.alloc(200_000)).then(() => {
    free = true;
  });
  await Promise.resolve();
  expect([output.isFull, free]).toEqual([true, false]);
  output.take(50_000);
  await Promise.resolve();
  expect([output.isFull, free]).toEqual([true, false]);
  output.take(200_000);
  await full;
  expect(output.isFull).toBe(false);
});

it('is full of many small pieces, too', () => {
  const output = new ProcessOutput();
  for (let count = 0; count < 2000; count += 1) void output.put(Buffer.from('x'));
  expect(output.isFull).toBe(true);
});
