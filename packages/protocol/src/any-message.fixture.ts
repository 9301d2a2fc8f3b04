/** For tests: any message there can be. */
import fc from 'fast-check';
import { failureCodes } from './failure.ts';
import { limits } from './limits.ts';
import type { Message } from './messages.ts';
import { roles } from './messages.ts';
import { portBinds, portProtocols } from './service-body.ts';
import { healthStates } from './service-state.ts';
import type { Direction } from './wire.ts';

const count = fc.maxSafeNat();
const id = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const text = fc.string({ unit: 'binary', maxLength: 40 });
const whether = fc.constantFrom(true as const, undefined);
const token = fc.stringMatching(/^[A-Za-z0-9_-]{1,43}$/);
const bytes = fc.uint8Array({ maxLength: 200 });
const exitCode = fc.integer({ min: -1, max: 2 ** 31 - 1 });
const failure = fc.record({ code: fc.constantFrom(...failureCodes), message: text });
const share = fc.record({
  uuid: fc.string({ minLength: 1, maxLength: 40 }),
  vramBytes: count,
  whole: fc.boolean(),
});
const copies = fc.record({
  version: count,
  base: fc.option(fc.record({ epoch: fc.integer({ min: 1, max: 2 ** 31 }), version: count })),
  isCopy: fc.boolean(),
  byBroker: fc.boolean(),
});
const fence = { task: id, attempt: id, epoch: count };
const reservation = fc.record({
  cpuMilli: count,
  memoryBytes: count,
  diskBytes: count,
  devices: fc.array(share, { maxLength: 3 }),
});
/** JSON turns -0 into 0, as the wire does. */
export const plain = fc
  .json({ maxDepth: 4 })
  .filter((json) => !json.includes('__proto__'))
  .map((json) => JSON.parse(JSON.stringify(JSON.parse(json))) as unknown);
const usage = fc
  .record({ cpuMs: count, peakMemoryBytes: count, peakVramBytes: count }, { requiredKeys: [] })
  .map((known) => (Object.keys(known).length === 0 ? { cpuMs: 0 } : known));
const use = fc
  .record(
    {
      cpuMilli: count,
      memoryBytes: count,
      vramBytes: count,
      fetched: fc.record({ bytes: count, of: count }),
    },
    { requiredKeys: [] },
  )
  .map((known) => (Object.keys(known).length === 0 ? { vramBytes: 0 } : known));
const listed = fc.oneof(fc.tuple(id, id), fc.tuple(id, id, use));
const ascii = fc.string({ unit: 'grapheme-ascii', maxLength: 32 });
const pressure = { name: ascii, forMs: count, words: ascii };
const device = fc.record(
  {
    uuid: token,
    index: fc.nat(8),
    name: text,
    vramBytes: count,
    computeCapability: fc.nat(999),
    driver: fc.string({ maxLength: 20 }),
    foreignBytes: count,
    temperatureC: fc.integer(),
    powerW: fc.double({ noNaN: true, noDefaultInfinity: true, min: 0 }),
    pressure: fc.record(pressure),
  },
  { requiredKeys: ['uuid', 'index', 'name', 'vramBytes', 'computeCapability', 'driver', 'foreignBytes'] },
);
/** No frame carries the one name that changes what an object is. */
const labelName = token.filter((name) => name !== '__proto__');
const report = fc.record({
  name: text,
  capabilities: fc.array(fc.string({ maxLength: 12 }), { maxLength: 4 }),
  labels: fc.dictionary(labelName, text, { maxKeys: 4, noNullPrototype: true }),
  cpuMilli: count,
  memoryBytes: count,
  diskBytes: count,
  devices: fc.array(device, { maxLength: 3 }),
  images: fc.array(text, { maxLength: 3 }),
  slots: fc.nat(limits.attemptsPerWorker),
  speed: fc.double({ min: 0, max: 100, noNaN: true }),
  dataEndpoint: text,
  dataKey: token,
  pressures: fc.array(fc.record({ ...pressure, stops: fc.array(ascii, { maxLength: 3 }) }), { maxLength: 2 }),
  version: fc.string({ maxLength: 20 }),
});
const peer = fc.oneof(
  fc.record({ kind: fc.constant('client'), client: token }),
  fc.record({
    kind: fc.constant('worker'),
    boot: token,
    report,
    attempts: fc.array(
      fc.record({ ...fence, phase: fc.constantFrom('held', 'running', 'ended'), reservation }),
      { maxLength: 3 },
    ),
    head: fc.option(fc.record({ seq: count, digest: fc.constant('0'.repeat(64)) })),
  }),
);

const portNumber = fc.integer({ min: 1, max: 65_535 });
const port = {
  name: fc.constantFrom('', 'web', 'a-1'),
  port: portNumber,
  protocol: fc.constantFrom(...portProtocols),
};
const publishedPort = fc.record({
  ...port,
  bind: fc.constantFrom(...portBinds),
  hostPort: portNumber,
});
const health = fc.record({ state: fc.constantFrom(...healthStates), words: text });

type Shapes = {
  readonly [K in Message['kind']]: readonly [Direction, Record<string, fc.Arbitrary<unknown>>];
};
export const shapes: Shapes = {
  knock: ['toBroker', { versions: fc.array(fc.nat(99), { maxLength: 5 }) }],
  challenge: ['toClient', { nonce: token, grid: text, version: fc.nat(9) }],
  hello: [
    'toBroker',
    {
      nonce: token,
      key: token,
      role: fc.constantFrom(...roles),
      signature: token,
      product: token,
      peer,
      actsFor: fc.stringMatching(/^p-[0-9a-f]{16}$/),
    },
  ],
  welcome: [
    'toWorker',
    {
      session: token,
      epoch: count,
      timers: fc.record({ heartbeatMs: id, leaseMs: id, graceMs: id, tickMs: id }),
      credit: count,
      principal: text,
      wallMs: count,
    },
  ],
  refusal: ['toClient', { failure }],
  helloAgain: ['toWorker', {}],
  heartbeat: ['toBroker', { seq: id, attempts: fc.array(listed, { maxLength: 9 }) }],
  heartbeatAck: [
    'toClient',
    { seq: id, head: fc.record({ seq: count, digest: fc.constant('a'.repeat(64)) }) },
  ],
  credit: ['toWorker', { total: count }],
  bye: ['toBroker', {}],
  voucher: ['toWorker', { voucher: text }],
  submit: ['toBroker', { seq: id, floor: count, key: text, envelope: bytes, body: bytes, progress: whether }],
  accepted: ['toClient', { seq: id, task: id, progress: whether }],
  refused: ['toClient', { seq: id, failure }],
  watch: ['toBroker', { tasks: fc.array(id, { maxLength: 9 }), progress: fc.boolean() }],
  finished: [
    'toClient',
    {
      task: id,
      attempt: count,
      state: fc.constantFrom('succeeded', 'failed', 'cancelled'),
      exitCode,
      failure: fc.option(failure),
      outcome: bytes,
    },
  ],
  changed: [
    'toClient',
    {
      task: id,
      state: fc.constantFrom('waiting', 'leased', 'running'),
      attempt: count,
      worker: text,
      workerName: text,
      addresses: fc.array(fc.record({ ...port, address: text }), { maxLength: 2 }),
      health,
    },
  ],
  request: ['toBroker', { id: count, op: token, args: plain }],
  reply: ['toClient', { id: count, result: plain, failure: fc.option(failure) }],
  lease: [
    'toWorker',
    {
      leaseSeq: id,
      floor: count,
      ...fence,
      devices: fc.array(share, { maxLength: 4 }),
      envelope: bytes,
      body: bytes,
      principal: text,
      byAdmin: fc.constantFrom(undefined, true),
      shard: fc.option(
        fc.record(
          {
            ...{ index: fc.nat(15), of: fc.integer({ min: 1, max: 16 }) },
            ...{ epoch: fc.integer({ min: 1, max: 2 ** 31 }), by: text, copies },
          },
          { requiredKeys: ['index', 'of', 'epoch', 'by'] },
        ),
        { nil: undefined },
      ),
    },
  ],
  started: ['toBroker', fence],
  served: [
    'toBroker',
    { ...fence, seq: id, ports: fc.array(publishedPort, { maxLength: 2 }), health: fc.option(health) },
  ],
  result: [
    'toBroker',
    {
      ...fence,
      exitCode,
      failure: fc.option(failure),
      ranMs: fc.double({ min: 0, max: 1e12, noNaN: true }),
      outcome: bytes,
      usage: fc.option(usage, { nil: undefined }),
    },
  ],
  resultAck: ['toWorker', fence],
  stop: ['toWorker', { ...fence, leaseSeq: count, reason: fc.constantFrom('cancel', 'drop', 'drain') }],
  recall: ['toWorker', fence],
  revoked: ['toWorker', { principals: fc.array(fc.constant('p-0123456789abcdef'), { maxLength: 3 }) }],
  report: ['toBroker', { seq: id, report }],
};
const handshake = new Set(['knock', 'challenge', 'hello', 'welcome', 'refusal', 'helloAgain']);
export const kinds = Object.keys(shapes) as Message['kind'][];
export const sessionOf = (kind: string) => (handshake.has(kind) ? '' : 's-1');
export const messageOf = (kind: Message['kind']) =>
  fc.record(
    { kind: fc.constant(kind), ...shapes[kind][1] },
    { noNullPrototype: true },
  ) as unknown as fc.Arbitrary<Message>;
export const anyMessage = fc.constantFrom(...kinds).chain(messageOf);
