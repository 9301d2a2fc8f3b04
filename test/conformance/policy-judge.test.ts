/** A policy is judged by what the broker's own journal tells of the past, in a thread of its own, whoever asks for it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type HistoryRow, type JudgedOrder, openJournal, PolicyJudge } from '@gryphgen/broker';
import { envelopeDefaults, type PolicyParts, type WorkerId, type WorkerReport } from '@gryphgen/protocol';
import { systemAlarms } from '@gryphgen/runtime';
import { defaultPolicy } from '@gryphgen/scheduler';
import { afterAll, beforeAll, expect, it } from 'vitest';

const tasks = 500;
const begins = Date.UTC(2026, 10, 21);

/** The swift one is nine times as fast; every second task went to each. */
const machines = (['w-1-slow', 'w-2-swift'] as const).map((name, at) => ({
  id: name as WorkerId,
  report: {
    ...{
      name,
      capabilities: ['process'],
      labels: {},
      cpuMilli: 64_000,
      memoryBytes: 2 ** 36,
      diskBytes: 2 ** 40,
    },
    ...{
      devices: [],
      images: [],
      slots: 64,
      speed: [0.5, 2][at],
      dataEndpoint: '',
      dataKey: '',
      version: '0.1.0',
    },
  } as WorkerReport,
}));

const { version: _, ...shipped } = defaultPolicy;
const nothing = { fit: 0, image: 0, reliability: 0, load: 0, spread: 0, speed: 0 };
const bySpread: PolicyParts = { ...shipped, weights: { ...nothing, spread: 1 } };
const bySpeed: PolicyParts = { ...shipped, weights: { ...nothing, speed: 1 } };
const order = (from: PolicyParts, parts: PolicyParts, since = 0): JudgedOrder => ({
  inForce: { ...from, version: 3 },
  parts,
  since,
  machines,
});

function rowOf(task: number): HistoryRow {
  const queuedAt = begins + 250 * task;
  const worker = machines[task % 2]?.id;
  const endedAt = queuedAt + (task % 2 === 0 ? 900 : 100) + (task % 7) * 5;
  const envelope = {
    ...envelopeDefaults,
    kind: 'process',
    resources: { cpuMilli: 1000, memoryBytes: 0, diskBytes: 0 },
  };
  const at = { queuedAt, placedAt: queuedAt, startedAt: queuedAt, endedAt };
  const document = JSON.stringify({ worker, devices: [], envelope, ...at });
  return { task: task as HistoryRow['task'], name: '', state: 'succeeded', endedAt, document };
}

let dir = '';
let journal: Awaited<ReturnType<typeof openJournal>>['journal'];
let judge: PolicyJudge;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'judge-'));
  const folder = new URL('./told-folder.mjs', import.meta.url);
  const told = (error: Error) => {
    throw error;
  };
  const where = { dir, folder, program: '0.1.0', holder: 'the suite', wallMs: begins };
  ({ journal } = await openJournal({ ...where, settings: {}, onTrouble: told, onFinding: () => undefined }));
  const rows = Array.from({ length: tasks }, (_, task) => rowOf(task + 1));
  await journal.append({ records: new TextEncoder().encode(JSON.stringify(rows)), blobs: [] });
  judge = new PolicyJudge(journal, systemAlarms);
});
afterAll(async () => {
  await judge.stop();
  await journal.close();
  await rm(dir, { recursive: true });
});

it('is promoted if the record says that it is better, and says by how much', async () => {
  const { promotes, evidence } = await judge.judge(order(bySpread, bySpeed));
  expect([promotes, evidence?.trained, evidence?.judged]).toEqual([true, 350, 150]);
  expect(evidence?.gain).toBeGreaterThan(0.5);
});

it('is not if it says that it is worse, or too little since the last rollback', async () => {
  const worse = await judge.judge(order(bySpeed, bySpread));
  expect([worse.promotes, worse.why]).toEqual([
    false,
    'on what it was not chosen by it is no better, but for chance',
  ]);
  const late = await judge.judge(order(bySpread, bySpeed, begins + 250 * 450));
  expect([late.promotes, late.why]).toEqual([
    false,
    expect.stringMatching(/^51 tasks to judge by are too few/),
  ]);
});

it('is judged once for all who ask for it, and others wait their turn', async () => {
  const [one, same] = [judge.judge(order(bySpread, bySpeed)), judge.judge(order(bySpread, bySpeed))];
  await expect(judge.judge(order(bySpeed, bySpread))).rejects.toThrow('another policy is being judged now');
  expect(await one).toBe(await same);
});

it('is told that the broker ends, where it does meanwhile', async () => {
  const ended = new PolicyJudge(journal, systemAlarms);
  const asked = expect(ended.judge(order(bySpread, bySpeed))).rejects.toThrow('the broker is stopping');
  await ended.stop();
  await asked;
});
