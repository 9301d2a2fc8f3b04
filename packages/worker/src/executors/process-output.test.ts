import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ProcessOutput } from './process-output.ts';

/** One alarm at a time, rung by hand. */
class Hand {
  set: (() => void) | undefined;

  after(_: number, run: () => void): () => void {
    const mine = (): void => run();
    this.set = mine;
    return () => {
      if (this.set === mine) this.set = undefined;
    };
  }

  ring(): void {
    const run = this.set;
    this.set = undefined;
    run?.();
  }
}

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
    fc.record({ kind: fc.constant('wait' as const) }),
    // The worker is killed when so much of what it was sent is in its log.
    fc.record({ kind: fc.constant('restart' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
  );
  fc.assert(
    fc.property(fc.array(steps), (all) => {
      const hand = new Hand();
      const output = new ProcessOutput(hand);
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
        else if (step.kind === 'wait') hand.ring();
        else {
          output.leave();
          log.text = log.text.slice(0, between(step.share));
          follow();
        }
      }
      output.close();
      expect(log.text).toBe(put);
      expect([output.to, output.from <= output.to]).toEqual([put.length, true]);
    }),
  );
});

it('makes whoever fills it wait until somebody has taken what it holds', async () => {
  const output = new ProcessOutput(new Hand());
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
  const output = new ProcessOutput(new Hand());
  for (let count = 0; count < 2000; count += 1) void output.put(Buffer.from('x'));
  expect(output.isFull).toBe(true);
});

it('gathers what comes right behind a piece, unless it is much or the last', () => {
  const hand = new Hand();
  const output = new ProcessOutput(hand);
  const sent: string[] = [];
  output.follow(0, (_, bytes) => void sent.push(Buffer.from(bytes).toString()));
  const put = (text: string): void => void output.put(Buffer.from(text));
  for (const text of ['a', 'b', 'c']) put(text);
  expect(sent).toEqual(['a']);
  hand.ring();
  put('d');
  expect(sent).toEqual(['a', 'bc']);
  hand.ring();
  expect(sent).toEqual(['a', 'bc', 'd']);
  hand.ring();
  put('e');
  put('f'.repeat(5000));
  expect(sent.slice(3)).toEqual(['e', 'f'.repeat(5000)]);
  put('g');
  output.close();
  expect([sent.at(-1), hand.set]).toEqual(['g', undefined]);
});

it('gathers nothing for a worker that is gone', () => {
  const hand = new Hand();
  const output = new ProcessOutput(hand);
  output.follow(0, () => undefined);
  void output.put(Buffer.from('a'));
  output.leave();
  expect(hand.set).toBeUndefined();
  void output.put(Buffer.from('b'));
  expect([hand.set, output.to]).toEqual([undefined, 2]);
});
