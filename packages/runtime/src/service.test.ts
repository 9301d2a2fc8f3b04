import { expect, it } from 'vitest';
import { type Service, startAll, stopAll } from './service.ts';

const service = (name: string, said: string[], broken?: 'start' | 'stop'): Service => ({
  start: async () => {
    said.push(`start ${name}`);
    if (broken === 'start') throw new Error(`${name} does not start`);
  },
  stop: async () => {
    said.push(`stop ${name}`);
    if (broken === 'stop') throw new Error(`${name} does not stop`);
  },
});

it('starts in order; what runs is stopped when one does not', async () => {
  const said: string[] = [];
  const three = [service('a', said), service('b', said, 'start'), service('c', said)];
  await expect(startAll(three)).rejects.toThrow('b does not start');
  expect(said).toEqual(['start a', 'start b', 'stop b', 'stop a']);
});

it('stops all in reverse, also when one does not', async () => {
  const said: string[] = [];
  const three = [service('a', said), service('b', said, 'stop'), service('c', said)];
  await expect(stopAll(three)).rejects.toThrow('b does not stop');
  expect(said).toEqual(['stop c', 'stop b', 'stop a']);
});
