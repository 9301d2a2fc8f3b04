/** What a worker may say at its fullest must fit one frame, or it could never say it. */
import { describe, expect, it } from 'vitest';
import { networks } from './container-body.ts';
import type { AttemptNo, DeviceUuid, Epoch, TaskId } from './ids.ts';
import { attemptReportBytes, decodeFrame, encodeFrame, frameOverheadBytes, messageBytes } from './index.ts';
import { limits } from './limits.ts';
import type { AttemptReport, Hello, Message } from './messages.ts';
import { writeMsgpack } from './msgpack-writer.ts';
import type { WorkerReport } from './resources.ts';

const most = Number.MAX_SAFE_INTEGER;
/** The longest of so many characters: three bytes each. */
const long = (chars: number) => '€'.repeat(chars);
const distinct = (no: number, chars: number) => String(no).padStart(5, '0') + long(chars - 5);
const uuidOf = (no: number) => `GPU-${no}`.padEnd(limits.uuidChars, 'x') as DeviceUuid;
const session = 's'.repeat(limits.sessionChars);
const range = (count: number) => Array.from({ length: count }, (_, index) => index);

const pressure = { name: 'n'.repeat(32), forMs: most, words: 'w'.repeat(limits.pressureChars) };
const report: WorkerReport = {
  name: long(limits.nameChars),
  capabilities: range(limits.capabilities).map(() => long(64)),
  labels: Object.fromEntries(range(limits.labels).map((no) => [distinct(no, 63), long(limits.nameChars)])),
  cpuMilli: most,
  memoryBytes: most,
  diskBytes: most,
  devices: range(limits.devices).map((no) => ({
    uuid: uuidOf(no),
    index: most,
    name: long(limits.nameChars),
    vramBytes: most,
    computeCapability: 999,
    driver: long(64),
    foreignBytes: most,
    foreign: range(limits.foreignShown).map(() => ({ pid: most, name: 'p'.repeat(64), vramBytes: most })),
    temperatureC: 1.5,
    maxTemperatureC: 1.5,
    powerW: 1.5,
    clockMHz: 1.5,
    maxClockMHz: 1.5,
    memoryClockMHz: 1.5,
    pressure,
  })),
  images: range(limits.images).map(() => 'i'.repeat(limits.imagesBytes / limits.images)),
  slots: limits.attemptsPerWorker,
  speed: 0.1,
  calibration: {
    at: most,
    cpuSingle: 0.1,
    cpuMulti: 0.1,
    memoryBytesPerS: 0.1,
    diskWriteBytesPerS: 0.1,
    diskReadBytesPerS: 0.1,
    models: range(limits.devices + 1).map(() => ({
      seat: long(limits.uuidChars),
      weightsBytesPerS: 0.1,
      promptTokensPerS: 0.1,
      engine: 'e'.repeat(64),
      modelBytes: most,
    })),
  },
  dataEndpoint: long(limits.endpointChars),
  dataKey: long(64),
  transfers: range(16).map(() => long(64)),
  warm: Number.MAX_SAFE_INTEGER,
  hardware: {
    cpu: { model: 'c'.repeat(128), cores: most, threads: most, cacheBytes: most },
    swapBytes: most,
    system: 's'.repeat(128),
    disks: range(limits.partsShown).map(() => ({
      name: 'd'.repeat(64),
      kind: 'k'.repeat(16),
      sizeBytes: most,
    })),
    networks: range(limits.partsShown).map(() => ({ name: 'n'.repeat(64), mbitPerS: most })),
    engines: range(limits.partsShown).map(() => 'e'.repeat(64)),
  },
  offers: {
    fields: range(limits.fields).map(() => 'f'.repeat(32)),
    images: range(limits.imagePatterns).map(() => 'i'.repeat(128)),
    mounts: range(limits.mounts).map(() => ({ name: 'm'.repeat(63), write: false })),
    networks: [...networks],
    runtimes: range(limits.runtimes).map(() => 'r'.repeat(64)),
    root: false,
    ports: 'loopback',
  },
  engines: range(limits.modelEngines).map(() => ({
    ...{ name: 'e'.repeat(64), version: 'v'.repeat(64) },
    backends: range(limits.backends).map(() => 'b'.repeat(32)),
    divides: true,
    options: range(limits.engineOptions).map(() => 'o'.repeat(32)),
  })),
  troubles: range(limits.troubles).map(() => long(limits.troubleChars)),
  pressures: range(limits.pressures).map(() => ({
    ...pressure,
    stops: range(limits.kindsStopped).map(() => 'k'.repeat(32)),
  })),
  version: long(64),
};

function attempt(no: number, shares: number): AttemptReport {
  const devices = range(shares).map((index) => ({ uuid: uuidOf(index), vramBytes: most, whole: false }));
  const reservation = { cpuMilli: most, memoryBytes: most, diskBytes: most, devices };
  const fence = { task: (most - no) as TaskId, attempt: most as AttemptNo, epoch: most as Epoch };
  return { ...fence, phase: 'running', reservation };
}

function helloWith(attempts: readonly AttemptReport[]): Hello {
  const key = 'k'.repeat(128);
  const head = { seq: most, digest: 'f'.repeat(64) };
  const peer = { kind: 'worker', boot: long(64), report, attempts, head } as const;
  return { kind: 'hello', nonce: key, key, role: 'submitter', signature: key, product: long(64), peer };
}

/** Takes as many shares as there is room for, so that not one more could be listed. */
function fullest(): AttemptReport[] {
  const attempts = range(limits.attemptsListed).map((no) => attempt(no, 0));
  let room = limits.heldBytes - attempts.reduce((sum, one) => sum + attemptReportBytes(one), 0);
  const share = attemptReportBytes(attempt(0, 1)) - attemptReportBytes(attempt(0, 0));
  for (let no = 0; room >= share; no += 1, room -= share) {
    const one = attempts[no % attempts.length] as AttemptReport;
    attempts[no % attempts.length] = attempt(no, one.reservation.devices.length + 1);
  }
  return attempts;
}

function travels(session: string, message: Message) {
  const frame = encodeFrame(session, [message]);
  expect(messageBytes(message)).toBeLessThanOrEqual(limits.frameBytes - frameOverheadBytes);
  expect(frame.length).toBeLessThanOrEqual(limits.frameBytes);
  return decodeFrame(frame, 'toBroker');
}

describe('the largest legal', () => {
  it('report fits its part of a frame', () => {
    expect(writeMsgpack(report).length).toBeLessThanOrEqual(limits.reportBytes);
    expect(travels(session, { kind: 'report', seq: most, report })).toMatchObject({
      ok: true,
    });
  });

  it('hello fits a frame', () => {
    expect(travels('', helloWith(fullest()))).toMatchObject({ ok: true });
  });

  it('hello leaves room for a device to each of half as many attempts as a worker may hold', () => {
    const attempts = range(limits.attemptsPerWorker / 2).map((no) => attempt(no, 1));
    expect(travels('', helloWith(attempts))).toMatchObject({ ok: true });
  });

  it('heartbeat fits a frame', () => {
    const use = { cpuMilli: most, memoryBytes: most, vramBytes: most, fetched: { bytes: most, of: most } };
    const attempts = range(limits.attemptsListed).map(
      (no) => [(most - no) as TaskId, most as AttemptNo, use] as const,
    );
    expect(travels(session, { kind: 'heartbeat', seq: most, attempts })).toMatchObject({
      ok: true,
    });
  });
});

describe('one more', () => {
  const wordsOf = (decoded: ReturnType<typeof travels>) => (decoded.ok ? '' : decoded.failure.message);

  it('attempt than may be listed is refused, in hello and heartbeat', () => {
    const attempts = range(limits.attemptsListed + 1);
    const hello = helloWith(attempts.map((no) => attempt(no, 0)));
    expect(wordsOf(travels('', hello))).toMatch(/hello\.peer\.attempts: .*4352/);
    const fences = attempts.map((no) => [(no + 1) as TaskId, 1 as AttemptNo] as const);
    expect(wordsOf(travels('s', { kind: 'heartbeat', seq: 1, attempts: fences }))).toMatch(/at most 4352/);
  });

  it('device than there is room for is refused', () => {
    const [first, ...others] = fullest();
    const hello = helloWith([attempt(0, (first?.reservation.devices.length ?? 0) + 1), ...others]);
    expect(wordsOf(travels('', hello))).toMatch(/hello\.peer\.attempts: .* bytes/);
  });

  it('byte of image names than a report may carry is refused', () => {
    const images = [`${report.images[0]}x`, ...report.images.slice(1)];
    const over = { ...report, images };
    expect(wordsOf(travels('s', { kind: 'report', seq: 1, report: over }))).toMatch(/report\.report\.images/);
  });
});
