/**
 * Every cell of the matrix in docs/principals.md, on a real broker over its sockets. Each role is played by a bare link that
 * says what it likes: what stops it is the broker.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { envelopeDefaults, type Failure, formatTaskId, type TaskId } from '@gryphgen/protocol';
import { createIdentity, principalIdOf, signEnrolment } from '@gryphgen/runtime';
import { defaultPolicy } from '@gryphgen/scheduler';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { keysOf, type Peer, PlayedGrid } from './played-grid.fixture.ts';
import { tinyModelSpec } from './tiny-model-spec.ts';

type Cell = 'no' | 'own' | 'all' | 'yes';

const grid = new PlayedGrid();
beforeAll(() => grid.start());
afterAll(() => grid.stop());

/** A role at the table: with work of its own where it can have some, and somebody else's. */
interface Seat {
  readonly peer: Peer;
  readonly own: TaskId | undefined;
  readonly others: TaskId;
}

async function taken(from: Peer): Promise<TaskId> {
  const task = await from.submit();
  if (typeof task !== 'number') throw new Error(task.message);
  return task;
}

async function seats(): Promise<Record<string, Seat>> {
  const others = await taken(grid.peer({ role: 'submitter' }));
  // A viewer has work of its own when its key may do more than this session does.
  const both = grid.enrol('admin');
  const viewer = grid.peer({ role: 'viewer', identity: both });
  const submitter = grid.peer({ role: 'submitter' });
  const admin = grid.peer({ role: 'admin' });
  const alice = grid.peer({ role: 'submitter' });
  const gateway = grid.enrol('delegate');
  const delegate = grid.peer({ role: 'submitter', identity: gateway, actsFor: alice.principal });
  const ticket = grid.peer({ role: 'ticket', identity: await grid.ticket() });
  return {
    viewer: { peer: viewer, own: await taken(grid.peer({ role: 'submitter', identity: both })), others },
    submitter: { peer: submitter, own: await taken(submitter), others },
    admin: { peer: admin, own: await taken(admin), others },
    // Its own is whose it acts for.
    delegate: { peer: delegate, own: await taken(alice), others },
    worker: { peer: grid.peer({ role: 'worker' }), own: undefined, others },
    ticket: { peer: ticket, own: undefined, others },
  };
}

type Probe = (seat: Seat) => Promise<Cell>;

/** Refused for the role: nothing else is `rejected.forbidden` here. */
const isForbidden = ({ code }: Failure): boolean => code === 'rejected.forbidden';

/** Answered as one that never was. */
const isHidden = (why: Failure, task: TaskId): boolean =>
  why.code === 'rejected.not-found' && why.message === `no task ${formatTaskId(task)} on this grid`;

/** What becomes of it with own work and with another's. */
async function withWork(seat: Seat, attempt: (task: TaskId) => Promise<Failure | undefined>): Promise<Cell> {
  const { own, others } = seat;
  const [ownWhy, why] = [own && (await attempt(own)), await attempt(others)];
  if (why !== undefined && isForbidden(why)) return 'no';
  if (own !== undefined)
    expect(ownWhy === undefined || !(isForbidden(ownWhy) || isHidden(ownWhy, own))).toBe(true);
  return why !== undefined && isHidden(why, others) ? 'own' : 'all';
}

const ofTask =
  (op: string, more: object = {}): Probe =>
  (seat) =>
    withWork(seat, async (task) => (await seat.peer.ask(op, { task, ...more })).failure ?? undefined);

const simply =
  (op: string, args: object): Probe =>
  async ({ peer }) => {
    const { failure } = await peer.ask(op, args);
    return failure !== null && isForbidden(failure) ? 'no' : 'yes';
  };

async function list({ peer, own, others }: Seat): Promise<Cell> {
  const { failure, result } = await peer.ask('ps', { limit: 1000 });
  if (failure !== null) return isForbidden(failure) ? 'no' : 'yes';
  const listed = (result as { id: string }[]).map(({ id }) => id);
  if (listed.includes(formatTaskId(others))) return 'all';
  return own !== undefined && listed.includes(formatTaskId(own)) ? 'own' : 'no';
}

async function wait(seat: Seat): Promise<Cell> {
  return withWork(seat, async (task) => {
    const told = await seat.peer.watch(task);
    if (told === 'changed') return undefined;
    return told === 'closed' ? { code: 'rejected.forbidden', message: 'closed' } : told;
  });
}

async function letIn({ peer }: Seat): Promise<Cell> {
  const fresh = createIdentity();
  const signature = signEnrolment(fresh, grid.grid, 'x');
  const { failure } = await peer.ask('enrol', { ...keysOf(fresh), name: 'x', signature });
  return failure === null ? 'yes' : 'no';
}

const tiny = tinyModelSpec();
const artifact = `sha256:${'a'.repeat(64)}`;
const nobody = principalIdOf(createIdentity().key);

const { version: _, ...parts } = defaultPolicy;
const pair = { before: 1, after: 1 };
const evidence = { trained: 0, judged: 0, since: 0, until: 0, mean: pair, p99: pair, gain: 0, leastGain: 0 };
const promotion = { from: 7, parts, evidence };

const probes: Readonly<Record<string, Probe>> = {
  'submit a task': async ({ peer }) => {
    const told = await peer.submit();
    return typeof told === 'number' || !isForbidden(told) ? 'yes' : 'no';
  },
  'list tasks': list,
  'see a task': ofTask('show'),
  'explain a task': ofTask('explain'),
  'wait for a task': wait,
  'read a task\u0027s output': ofTask('logs'),
  'have a file of a task': ofTask('fetch', { artifact }),
  'retry a task': ofTask('spec'),
  'cancel a task': ofTask('cancel'),
  'enter a task': ofTask('exec'),
  'list machines': simply('nodes', {}),
  'see the grid\u0027s counters': simply('status', {}),
  'ask where a task would go': simply('dryRun', { envelope: { ...envelopeDefaults, kind: 'process' } }),
  'bring an image to a machine': simply('pushImage', { node: 'anvil' }),
  'bring a file for a task to come': simply('store', { artifact }),
  'drain a machine': simply('drain', { node: 'anvil', draining: false }),
  'plan a drain of a machine': simply('planDrain', { node: 'nobody', window: 'abcd1234' }),
  'remove a machine': simply('removeNode', { node: 'nobody' }),
  'see the placement policy': simply('policy', {}),
  'read what tasks took': simply('pastTasks', {}),
  'put a placement policy in force': simply('promotePolicy', promotion),
  'go back to the placement policy before': simply('rollBackPolicy', { from: 7 }),
  'list models': simply('models', {}),
  'ask where a model would fit': simply('planModel', {
    description: tiny.description,
    serving: tiny.serving,
  }),
  'add a model': simply('addModel', { model: tiny }),
  'remove a model': simply('removeModel', { name: 'tiny' }),
  'load a model': simply('loadModel', { name: 'tiny' }),
  'unload a model': simply('unloadModel', { name: 'tiny' }),
  'keep or forget settings of a model': simply('tuneModel', { name: 'tiny' }),
  'have answers from a machine': simply('answers', { node: 'anvil' }),
  'list where collections are': simply('collections', {}),
  'have a collection begun on a machine': simply('placeCollection', { name: 'docs' }),
  'move a shard': simply('moveShard', { name: 'docs', index: 0, epoch: 1 }),
  'make a ticket': (seat) =>
    simply('createTicket', { ...keysOf(createIdentity()), role: 'viewer', ttlMs: 60_000 })(seat),
  'list tickets': simply('tickets', {}),
  'revoke a ticket': simply('revokeTicket', { ticket: 'ticket-0123456789abcdef' }),
  'list persons and services': simply('principals', {}),
  'revoke a person or service': simply('revokePrincipal', { principal: nobody }),
  "check the broker's home": simply('fsck', {}),
  'give the broker another key or address': simply('announce', {}),
  'let a key in': letIn,
  'report attempts': async ({ peer, others }) => ((await peer.report(others)) ? 'yes' : 'no'),
  'have logs of attempts kept': simply('keepLogs', {}),
  'be reached through the relay': simply('relay', {}),
};

/** The first table of the page: by row, its cells by column. */
function matrix(): readonly (readonly [what: string, cells: Record<string, string>])[] {
  const page = readFileSync(join(import.meta.dirname, '../../../docs/principals.md'), 'utf8');
  const lines = page.split('\n');
  const first = lines.findIndex((line) => line.startsWith('| | '));
  const end = lines.findIndex((line, at) => at > first && !line.startsWith('|'));
  const cellsOf = (line: string): string[] =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim());
  const [, ...columns] = cellsOf(lines[first] ?? '');
  return lines.slice(first + 2, end).map((line) => {
    const [what = '', ...cells] = cellsOf(line);
    return [what, Object.fromEntries(columns.map((column, at) => [column, cells[at] ?? '']))];
  });
}

it('the broker does what the matrix of the documentation says, in every cell', async () => {
  const rows = matrix();
  expect(rows.map(([what]) => what)).toEqual(Object.keys(probes));
  const at = await seats();
  for (const [what, cells] of rows) {
    const found: Record<string, Cell> = {};
    for (const [role, seat] of Object.entries(at)) found[role] = await (probes[what] as Probe)(seat);
    expect([what, found]).toEqual([what, cells]);
  }
}, 60_000);
