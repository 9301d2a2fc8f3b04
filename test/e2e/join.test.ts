/** `grid ticket create` and `grid join`: how machines and people get into a grid that has its broker elsewhere. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from '@gryphgen/client';
import { notedRelay } from '@gryphgen/runtime';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { GridFixture } from './cli-grid.fixture.ts';

const forge = new GridFixture();
const others: GridFixture[] = [];
let reach: string;

beforeAll(async () => {
  const { broker } = await forge.json<{ broker: string }>('up', '--detach', '--listen', 'tcp://127.0.0.1:*');
  reach = broker.split(',').find((endpoint) => endpoint.startsWith('tcp:')) ?? '';
});
afterAll(async () => {
  await Promise.all(others.map((other) => other.stop()));
  await forge.stop();
});

function elsewhere(): GridFixture {
  const other = new GridFixture();
  others.push(other);
  return other;
}

async function waysOf(machine: GridFixture) {
  const { checks } = await machine.json<{ checks: { name: string; state: string; found: string }[] }>(
    'doctor',
  );
  return checks;
}

async function ticket(...args: string[]): Promise<string> {
  const made = await forge.json<{ ticket: string }>('ticket', 'create', '--reach', reach, ...args);
  return made.ticket;
}

it('a machine joins, works, is removed, and does not come back with the same key', async () => {
  const anvil = elsewhere();
  const word = await ticket();
  const joined = await anvil.json<{ id: string }>('join', '--yes', '--no-service', '--name', 'anvil', word);
  expect(joined).toMatchObject({ role: 'worker', name: 'anvil', brokers: [reach] });
  // The answer may have been lost: the same machine may ask again, no other may.
  expect(await anvil.json('join', '--yes', '--no-service', '--name', 'anvil', word)).toEqual(joined);
  const late = await elsewhere().grid('join', '--yes', '--no-service', word);
  expect(late).toMatchObject({ code: 7, stderr: expect.stringContaining('has been used') });

  anvil.start('worker', '--allow-process');
  const client = await connect({ home: forge.home });
  const isThere = async () => (await client.request('nodes', {})).some(({ name }) => name === 'anvil');
  while (!(await isThere())) await new Promise((resolve) => setTimeout(resolve, 50));
  await client.close();
  const ran = await forge.grid('submit', '--wait', '--worker', 'anvil', '--', 'echo', 'from anvil');
  expect(ran).toMatchObject({ code: 0, stdout: expect.stringContaining('from anvil') });

  while (notedRelay(anvil.home) === undefined) await new Promise((resolve) => setTimeout(resolve, 50));

  // Of the grid's own machine by its broker's word; of one that has joined as a machine by what it sees itself and its worker was told.
  const ways = async (machine: GridFixture) => (await waysOf(machine)).slice(-3);
  expect(await ways(forge)).toMatchObject([
    { name: 'broker', found: expect.stringContaining('can be connected to') },
    { name: 'relay', state: 'ok' },
    { name: 'data', state: 'ok' },
  ]);
  expect(await ways(anvil)).toMatchObject([
    { name: 'broker', found: expect.stringContaining(`${reach} can be connected to`) },
    { name: 'relay', state: 'ok', found: expect.stringMatching(/^tcp:.* can be connected/) },
    { name: 'data', state: 'ok' },
  ]);

  expect((await forge.grid('node', 'remove', 'anvil')).code).toBe(0);
  const again = await anvil.grid('join', '--yes', '--no-service', '--name', 'anvil', await ticket());
  expect(again).toMatchObject({ code: 7, stderr: expect.stringContaining('was removed from the grid') });
});

it('a person joins as what the ticket is for, and commands go as that', async () => {
  const laptop = elsewhere();
  const word = await ticket('--role', 'submitter', '--ttl', '10m');
  expect(await laptop.json('join', '--yes', word)).toMatchObject({ role: 'submitter' });
  expect((await laptop.grid('submit', '--wait', '--', 'true')).code).toBe(0);
  // The broker picked its ports, so what is beside it is not at the one after its own; it says where.
  const [broker, relay] = (await waysOf(laptop)).slice(-2);
  expect(broker).toMatchObject({ name: 'broker', state: 'ok', found: expect.stringContaining(reach) });
  expect(relay).toMatchObject({
    name: 'relay',
    state: 'ok',
    found: expect.stringMatching(/^tcp:.* can be connected/),
  });
  for (const forbidden of [
    ['ticket', 'create'],
    ['node', 'drain', 'forge'],
  ])
    expect((await laptop.grid(...forbidden)).code).toBe(7);
  // The secret half of neither key is where others can read it, or in the grid's list.
  const listed = readFileSync(join(forge.home, 'keys', 'authorized.json'), 'utf8');
  expect(listed).not.toContain(
    JSON.parse(readFileSync(join(laptop.home, 'keys', 'submitter.json'), 'utf8')).signing.secret,
  );
});

it('a collection is asked by whom its owner says, and changed by nobody else but admins', async () => {
  const [ann, bob] = [elsewhere(), elsewhere()];
  const joined: { readonly id: string; readonly name: string }[] = [];
  for (const [person, name] of [
    [ann, 'ann'],
    [bob, 'bob'],
  ] as const) {
    const args = ['--yes', '--name', name, await ticket('--role', 'submitter')];
    joined.push(await person.json('join', ...args));
  }
  const [owner, other] = joined.map(({ id }) => id);
  const query = ['rag', 'query', 'notes', 'walrus'];
  expect((await ann.grid('rag', 'add', 'notes', ann.file('notes.md', 'A walrus swims.'))).code).toBe(0);
  expect((await bob.grid(...query)).stdout).toContain('A walrus swims.');
  expect(await bob.grid('rag', 'rm', 'notes')).toMatchObject({
    code: 7,
    stderr: expect.stringContaining(`expected its owner, ${owner}, or an admin`),
  });
  expect(await ann.json('rag', 'access', 'notes', '--readers', 'owner')).toMatchObject({ owner });
  for (const args of [query, ['rag', 'ls', 'notes'], ['rag', 'access', 'notes', '--readers', 'everyone']])
    expect(await bob.grid(...args)).toMatchObject({ code: 7, stdout: '' });
  expect(await bob.json('rag', 'ls')).toMatchObject({ collections: [] });
  // Admins look names up.
  expect(await forge.json('rag', 'access', 'notes', '--readers', joined[1]?.name ?? '')).toEqual({
    ...{ collection: 'notes', owner, readers: [other] },
  });
  expect((await bob.grid(...query)).stdout).toContain('A walrus swims.');
  // What pseudonyms stand for is its owner's to know, and an admin's.
  ann.file('people.txt', 'Ada Lovelace\n');
  ann.file('letter.md', 'Ada Lovelace, ada@example.org: a walrus.');
  const add = ['rag', 'add', 'letters', 'letter.md', '--redact', 'email,names=people.txt'];
  expect(await ann.grid(...add)).toMatchObject({ code: 0, stdout: expect.stringContaining('1 added') });
  const { stdout } = await bob.grid('rag', 'query', 'letters', 'ada@example.org');
  expect(stdout).toMatch(/NAME-[0-9a-f]{16}, EMAIL-[0-9a-f]{16}: a walrus\./);
  expect((await bob.grid('rag', 'reveal', 'letters', stdout)).code).toBe(7);
  const revealed = await ann.json<{ text: string }>('rag', 'reveal', 'letters', stdout);
  expect(revealed).toMatchObject({
    text: expect.stringContaining('Ada Lovelace, ada@example.org: a walrus.'),
  });
  for (const name of ['notes', 'letters']) expect((await forge.grid('rag', 'rm', name)).code).toBe(0);
}, 120_000);

it('says what is wrong, and changes nothing', async () => {
  const other = elsewhere();
  const word = await ticket('--role', 'viewer');
  const mistakes: readonly [args: readonly string[], code: number, words: string][] = [
    [['join', '--yes', word.slice(0, -9)], 2, 'damaged or not whole'],
    [['join', '--yes', 'hello'], 2, 'expected a ticket'],
    [['join', word], 2, '--yes joins without asking'],
  ];
  for (const [args, code, words] of mistakes)
    expect(await other.grid(...args)).toMatchObject({ code, stderr: expect.stringContaining(words) });
  const unreachable = await forge.grid('ticket', 'create');
  expect(unreachable).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('listens on this machine alone'),
  });
  const forever = await forge.grid('ticket', 'create', '--ttl', '30d');
  expect(forever).toMatchObject({ code: 2, stderr: expect.stringContaining('expected a duration') });
  expect((await other.grid('join', '--yes', word)).code).toBe(0);
});
