import type { NodeDocument } from '@gryphgen/protocol';
import { expect, it } from 'vitest';
import { whileThere } from './while-there.ts';

const forge = { id: 'w-1', name: 'forge' };
const never = new AbortController().signal;
/** Each look comes as soon as the one before is answered. */
const alarms = {
  after: (_: number, run: () => void) => {
    const turn = setImmediate(run);
    return () => clearImmediate(turn);
  },
};

/** Answers with one state after the other, from then on with the last; undefined: it is no node. */
function nodes(...states: readonly (NodeDocument['state'] | undefined)[]) {
  let looks = 0;
  return {
    looks: () => looks,
    request: () => {
      const state = states[Math.min(looks, states.length - 1)];
      looks += 1;
      const node = { ...forge, state } as NodeDocument;
      return Promise.resolve(state === undefined ? [] : [node]);
    },
  };
}

/** Until it is given up. */
function endless(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) =>
    signal.addEventListener('abort', () => reject(new Error('was given up')), { once: true }),
  );
}

it.each([
  ['away', 'forge is away: it is measured no further'],
  ['draining', 'forge is draining'],
  [undefined, 'forge was removed'],
] as const)('what is measured on a worker that is %s is given up', async (state, words) => {
  const found = whileThere(nodes('ready', state), forge, { alarms, signal: never }, endless);
  await expect(found).rejects.toMatchObject({ code: 'lost.worker', message: expect.stringContaining(words) });
});

it('one that was away for a moment, or is silent, is measured on', async () => {
  const there = nodes('away', 'away', 'away', 'away', 'ready', 'silent', 'silent', 'away', 'ready');
  const watched = { ...there, request: there.request };
  const enough = new Promise<void>((resolve) => {
    watched.request = () => {
      if (there.looks() === 20) resolve();
      return there.request();
    };
  });
  const work = () => enough.then(() => 'measured');
  expect(await whileThere(watched, forge, { alarms, signal: never }, work)).toBe('measured');
});

it('who gives the measuring up is told what came of that', async () => {
  const stop = new AbortController();
  const found = whileThere(nodes('ready'), forge, { alarms, signal: stop.signal }, endless);
  stop.abort();
  await expect(found).rejects.toThrow('was given up');
});

it('that the grid cannot be asked ends it', async () => {
  const asker = { request: () => Promise.reject(new Error('the grid is away')) };
  await expect(whileThere(asker, forge, { alarms, signal: never }, endless)).rejects.toThrow(
    'the grid is away',
  );
});
