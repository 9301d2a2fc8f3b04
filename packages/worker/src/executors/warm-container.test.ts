/** A shell that does not answer as ours does, or ends while it waits. */
import { PassThrough } from 'node:stream';
import type Docker from 'dockerode';
import { beforeEach, describe, expect, it } from 'vitest';
import { frame } from './engine-frames.fixture.ts';
import { WarmContainer } from './warm-container.ts';

const nonce = '0123456789abcdef';
const order = { argv: ['true'], env: {}, stopSignal: 'SIGTERM', hasDevices: false };

let connection: PassThrough;
let removed: string[];
let over: Promise<void>;
let begun: Promise<WarmContainer>;

beforeEach(() => {
  // What is written to it is what it says: the greeting goes nowhere.
  connection = new PassThrough();
  const said = connection.write.bind(connection);
  Object.assign(connection, { write: () => true, say: said });
  removed = [];
  const container = { id: 'c1', attach: async () => connection, start: async () => undefined };
  const docker = { createContainer: async () => container } as unknown as Docker;
  const tools = { alarms: { after: () => () => undefined }, signal: new AbortController().signal };
  over = new Promise((onOver) => {
    const remove = async (id: string) => void removed.push(id);
    begun = WarmContainer.begin(docker, nonce, {}, tools, { onOver, remove });
  });
});

const say = (text: string) => (connection as unknown as { say(bytes: Buffer): void }).say(frame(text));

describe('a container that is to be kept warm', () => {
  it('takes an order when its shell has answered, and tells when it has ended before', async () => {
    say(`\x1e${nonce} re`);
    say('ady\n');
    const warm = await begun;
    connection.end();
    await over;
    expect(warm.give(order)).toBe(false);
  });

  it('is none when something else speaks without end', async () => {
    const flood = setInterval(() => say('no '.repeat(100)), 0);
    await expect(begun).rejects.toThrow('no no no');
    clearInterval(flood);
    expect([removed, connection.destroyed]).toEqual([['c1'], true]);
  });
});
