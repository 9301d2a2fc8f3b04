/**
 * The process that submits: clients of the SDK, told over IPC what to do. Its clock is the one that latencies are
 * measured by.
 */
import { cpus } from 'node:os';
import { type Client, connect, type Outcome, type PreparedTask, prepareTask } from '@gryphgen/client';
import { encodeBody, failure, GridError } from '@gryphgen/protocol';
import { createLog } from '@gryphgen/runtime';
import { Echo } from '../floor-echo.ts';
import { percentile } from '../statistics.ts';
import type { ControlReport, LoadAnswer, LoadOrder, LoadReport } from './load-orders.ts';

/** Half the peak rate for as long as the grid may stand still before the load is refused. */
const outstandingBound = 16_384;
const noResources = { cpuMilli: 0, memoryBytes: 0, diskBytes: 0 };
const noop = prepareTask({ kind: 'noop', resources: noResources });
/** One client that queues this many is closed for the next: what it still awaits is not what is measured. */
const queuedPerClient = 50_000;
/** Longer than a benchmark. */
const holdMs = 3_600_000;

let home = '';
let endpoint = '';
let clients: readonly Client[] = [];

async function obey(order: Exclude<LoadOrder, { kind: 'control' }>): Promise<LoadReport> {
  switch (order.kind) {
    case 'open':
      home = order.home;
      endpoint = order.endpoint;
      clients = await Promise.all(Array.from({ length: order.clients }, open));
      return { tasks: 0, seconds: 0, p50Ms: 0, p99Ms: 0 };
    case 'burst':
      return burst(order);
    case 'steady':
      return steady(order, (index) => finished(clients[index % clients.length] as Client));
    case 'queue':
      return queue(order);
    case 'container':
      return one(
        prepareTask({
          kind: 'container',
          resources: noResources,
          body: {
            image: order.image,
            command: [...order.command],
            ...(order.warm && { warm: true }),
          },
        }),
      );
  }
}

function open(): Promise<Client> {
  const log = createLog({ daemon: 'load', level: 'warn' });
  return connect({ home, endpoints: [endpoint], bounds: { outstanding: outstandingBound }, log });
}

function burst({ tasks, outstanding, sleepMs }: Extract<LoadOrder, { kind: 'burst' }>): Promise<LoadReport> {
  const task =
    sleepMs === 0 ? noop : prepareTask({ kind: 'noop', resources: noResources, body: { sleepMs } });
  const latencies = new Float64Array(tasks);
  const begun = performance.now();
  let issued = 0;
  let finished = 0;
  return new Promise((resolve, reject) => {
    const next = (client: Client): void => {
      if (issued === tasks) return;
      const index = issued;
      issued += 1;
      const at = performance.now();
      client
        .submit(task)
        .finished.then((outcome) => {
          mustSucceed(outcome);
          latencies[index] = performance.now() - at;
          finished += 1;
          if (finished === tasks) resolve(reportOf(begun, latencies));
          else next(client);
        })
        .catch(reject);
    };
    for (let index = 0; index < outstanding; index++) next(clients[index % clients.length] as Client);
  });
}

async function control(rate: Extract<LoadOrder, { kind: 'control' }>): Promise<ControlReport> {
  const [client] = clients as readonly [Client];
  const echo = await Echo.start();
  // What is sent to one echo comes back in its order.
  let last: Promise<void> = Promise.resolve();
  const echoed = (): Promise<void> => {
    const sent = echo.send(1);
    last = last.then(async () => {
      await sent;
      await echo.receive();
    });
    return last;
  };
  try {
    const [tasks, questions, echoes] = await Promise.all([
      steady(rate, () => finished(client)),
      steady(rate, () => client.request('models', {})),
      steady(rate, echoed),
    ]);
    return { tasks, questions, echoes };
  } finally {
    await echo.stop();
  }
}

async function finished(client: Client): Promise<void> {
  mustSucceed(await client.submit(noop).finished);
}

/** Latency counts from the millisecond in which each was due: a generator that falls behind hides nothing. */
function steady(
  { ratePerS, seconds }: { readonly ratePerS: number; readonly seconds: number },
  ask: (index: number) => Promise<unknown>,
): Promise<LoadReport> {
  const count = Math.max(1, Math.floor(ratePerS * seconds));
  const latencies = new Float64Array(count);
  const begun = performance.now();
  let issued = 0;
  let answered = 0;
  return new Promise((resolve, reject) => {
    const timer = setInterval(() => {
      const passedMs = Math.floor(performance.now() - begun);
      const due = Math.min(count, Math.floor((passedMs * ratePerS) / 1000));
      while (issued < due) issue();
      if (issued === count) clearInterval(timer);
    }, 1);
    const issue = (): void => {
      const index = issued;
      const dueMs = begun + Math.ceil(((index + 1) * 1000) / ratePerS);
      issued += 1;
      ask(index)
        .then(() => {
          latencies[index] = performance.now() - dueMs;
          answered += 1;
          if (answered === count) resolve(reportOf(begun, latencies));
        })
        .catch(reject);
    };
  });
}

async function queue({
  tasks,
  bodyBytes,
  shapes = 0,
}: Extract<LoadOrder, { kind: 'queue' }>): Promise<LoadReport> {
  const cpuMilli = 1000 * cpus().length;
  const whole = Array.from({ length: shapes }, (_, shape) =>
    prepareTask({ kind: 'noop', resources: { cpuMilli, memoryBytes: shape, diskBytes: 0 } }),
  );
  if (shapes > 0) {
    const holder = {
      kind: 'noop',
      resources: { ...noResources, cpuMilli: 1000 },
      body: { sleepMs: holdMs },
    } as const;
    await (clients[0] as Client).submit(prepareTask(holder)).accepted;
  }
  const begun = performance.now();
  const latencies: number[] = [];
  for (let from = 0; from < tasks; from += queuedPerClient) {
    const client = await open();
    const accepted: Promise<void>[] = [];
    for (let index = from; index < Math.min(tasks, from + queuedPerClient); index++) {
      await client.room();
      const at = performance.now();
      const task = whole[index % shapes] ?? noop;
      const { accepted: answer } = client.submit({ ...task, bodyBytes: distinctBody(index, bodyBytes) });
      accepted.push(answer.then(() => void latencies.push(performance.now() - at)));
    }
    await Promise.all(accepted);
    await client.close();
  }
  return reportOf(begun, latencies);
}

function distinctBody(index: number, bytes: number): Uint8Array {
  const empty = encodeBody({ sleepMs: 0, note: '' }).length;
  return encodeBody({ sleepMs: 0, note: String(index).padStart(Math.max(0, bytes - empty), '.') });
}

async function one(task: PreparedTask): Promise<LoadReport> {
  const begun = performance.now();
  mustSucceed(await (clients[0] as Client).submit(task).finished);
  return reportOf(begun, [performance.now() - begun]);
}

function mustSucceed({ id, state, failure: why }: Outcome): void {
  if (state === 'succeeded') return;
  throw new GridError(why ?? failure('internal.bug', `${id} ended ${state} and does not say why`));
}

function reportOf(begun: number, latencies: ArrayLike<number> & Iterable<number>): LoadReport {
  return {
    tasks: latencies.length,
    seconds: (performance.now() - begun) / 1000,
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
  };
}

async function answerTo(order: LoadOrder): Promise<LoadAnswer> {
  if (order.kind === 'control') return { kind: 'controlled', report: await control(order) };
  return { kind: 'done', report: await obey(order) };
}

process.on('message', (order: LoadOrder) => {
  const answer = (said: LoadAnswer): void => void process.send?.(said);
  answerTo(order).then(answer, (error: unknown) => answer({ kind: 'failed', message: String(error) }));
});
process.send?.({ kind: 'ready' } satisfies LoadAnswer);
process.on('disconnect', () => process.exit());
process.on('SIGTERM', () => process.exit());
