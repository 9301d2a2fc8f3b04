/** Images over a data endpoint, from end to end; the worker's engine is played. */
import { failure, type ImageOrder } from '@gryphgen/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import { systemAlarms } from './clock.ts';
import { broker, curve, grid, serverOf, worker } from './data-exec.fixture.ts';
import type { DataServer } from './data-server.ts';
import { type TransferEnd, windowBytes } from './data-wire.ts';
import { openDuplex } from './duplex-session.ts';
import type { Duplex, PushRequest } from './duplex-stream.ts';
import { type Grant, signGrant } from './grant.ts';
import { afterTest, Seen } from './scratch.fixture.ts';

const order: ImageOrder = {
  id: `sha256:${'0'.repeat(64)}`,
  names: ['app:1'],
  configBytes: 2,
  layers: [3 * windowBytes],
};

/** Takes what comes when the test lets it. */
class Intake implements Duplex {
  readonly output = (async function* () {})();
  readonly ended: Promise<TransferEnd>;
  gate: Promise<void> = Promise.resolve();
  taken = 0;
  end: (end: TransferEnd) => void = () => undefined;

  constructor(signal: AbortSignal) {
    this.ended = new Promise((resolve) => {
      this.end = resolve;
    });
    signal.addEventListener('abort', () => this.end({ failure: failure('cancelled.user', 'left') }));
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.gate;
    this.taken += bytes.length;
  }

  endInput(): void {
    this.end({ failure: null });
  }

  resize(): void {}
}

let intake: Intake | undefined;
let requests: Seen<PushRequest>;
let aborted: Seen<string>;
let refusal: TransferEnd | undefined;
let endpoint: string;
let takesImages: boolean;

beforeEach(() => {
  requests = new Seen();
  aborted = new Seen();
  refusal = undefined;
  intake = undefined;
  takesImages = true;
});

async function start(): Promise<DataServer> {
  const push = async (request: PushRequest, signal: AbortSignal): Promise<Duplex | TransferEnd> => {
    requests.add(request);
    if (intake !== undefined) return { failure: failure('rejected.state', 'one is under way') };
    if (refusal !== undefined) return refusal;
    signal.addEventListener('abort', () => aborted.add(request.order.id));
    intake = new Intake(signal);
    return intake;
  };
  const server = serverOf(takesImages ? { push } : {});
  [endpoint = ''] = await server.start();
  afterTest(() => server.stop());
  return server;
}

let grants = 0;
function grantFor(changes: Partial<Grant> = {}): string {
  grants += 1;
  const about = { op: 'image' as const, worker, principal: 'p-1', expiresAt: Date.now() + 60_000 };
  return signGrant(broker, { grid, id: `x${grants}`, ...about, ...changes });
}

async function open(grant = grantFor()) {
  const request = { kind: 'image', grant, order } as const;
  return await openDuplex({ endpoint, dataKey: curve.publicKey, alarms: systemAlarms, request });
}

async function begin() {
  const session = await open();
  if ('failure' in session) throw new Error(session.failure?.message ?? 'held');
  afterTest(() => session.close());
  return session;
}

describe('an image', () => {
  it('arrives whole, and its sender is told when the worker has it', async () => {
    await start();
    const session = await begin();
    expect(requests.all).toEqual([{ order, principal: 'p-1' }]);
    for (let sent = 0; sent < 3 * windowBytes; sent += windowBytes / 2)
      expect(await session.write(Buffer.alloc(windowBytes / 2))).toBe(true);
    session.endInput();
    expect(await session.ended).toMatchObject({ failure: null });
    expect(intake?.taken).toBe(3 * windowBytes);
  });

  it('is sent no faster than it is taken', async () => {
    await start();
    const session = await begin();
    let letGo = (): void => undefined;
    (intake as unknown as Intake).gate = new Promise((resolve) => {
      letGo = resolve;
    });
    let written = false;
    const writing = session.write(Buffer.alloc(windowBytes + 1)).then(() => {
      written = true;
    });
    // A round trip behind all that could be sent.
    expect(await open()).toMatchObject({ failure: { code: 'rejected.state' } });
    expect(written).toBe(false);
    letGo();
    await writing;
    expect(intake?.taken).toBeLessThanOrEqual(windowBytes + 1);
  });

  it('that the worker has is not sent', async () => {
    refusal = { failure: null };
    await start();
    expect(await open()).toMatchObject({ failure: null });
  });

  it('is ended with its sender', async () => {
    await start();
    const session = await begin();
    await session.write(Buffer.alloc(10));
    await session.close();
    await aborted.until((all) => all.length === 1);
    expect(aborted.all).toEqual([order.id]);
  });

  it('is not taken where images are not', async () => {
    takesImages = false;
    await start();
    expect(await open()).toMatchObject({
      failure: { code: 'rejected.state', message: 'this endpoint does not offer to take images' },
    });
  });
});

describe('a grant for an image', () => {
  it.each<[string, Partial<Grant>]>([
    ['is good for its worker alone', { worker: 'w-ffffffffffffffff' }],
    ['names a worker', { worker: undefined }],
    ['is for nothing else', { op: 'exec', task: 1, attempt: 1 }],
  ])('%s', async (_, changes) => {
    await start();
    expect(await open(grantFor(changes))).toMatchObject({
      failure: { code: 'rejected.forbidden', message: 'this grant is not good for this worker' },
    });
    expect(requests.all).toEqual([]);
  });

  it('is good once', async () => {
    refusal = { failure: null };
    await start();
    const grant = grantFor();
    await open(grant);
    expect(await open(grant)).toMatchObject({
      failure: { message: 'this grant was used before: ask for a new one' },
    });
    expect(requests.all).toHaveLength(1);
  });
});
