import { expect, it } from 'vitest';
import { BrokerRound, type Follower } from './broker-round.ts';

const at = (endpoint: string, curveKey: string) => ({ endpoint, curveKey });
const forge = at('tcp://forge:7600', 'old');

function roundThatLearns(learned: ReturnType<Follower['learn']>) {
  const left: string[] = [];
  const round = new BrokerRound([forge], { learn: () => learned, seek: async () => learned });
  return { round, left, learn: () => round.learn('v', round.take(), (why) => void left.push(why)) };
}

it('leaves a broker that has another key, for the one with that key', () => {
  const { round, left, learn } = roundThatLearns([at('tcp://forge:7600', 'new')]);
  learn();
  expect(left).toEqual(['the broker has another key']);
  expect(round.take().curveKey).toBe('new');
});

it('stays with a broker that will be elsewhere, and looks there next', () => {
  const { round, left, learn } = roundThatLearns([at('tcp://anvil:7600', 'old'), forge]);
  learn();
  expect(left).toEqual([]);
  expect([round.take(), round.take()].map(({ endpoint }) => endpoint)).toEqual([
    'tcp://anvil:7600',
    'tcp://forge:7600',
  ]);
});

it('leaves a broker that the grid has left', () => {
  const { round, left, learn } = roundThatLearns('older');
  learn();
  expect(left).toEqual(['tcp://forge:7600 was the broker once, and is not any more']);
  expect(round.take()).toEqual(forge);
});

it('turns to what it finds where nobody answers', async () => {
  const { round } = roundThatLearns([at('tcp://anvil:7600', 'new')]);
  round.seek(forge);
  await round.settled();
  expect(round.take().endpoint).toBe('tcp://anvil:7600');
});
