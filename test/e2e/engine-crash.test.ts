/**
 * Short containers while their worker and their engine (dockerd and containerd) are killed at random moments: each is
 * started once in an attempt, each task commits once, and nothing is left. Real daemons, an engine of its own. Needs root.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Outcome } from '@gryphgen/client';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Daemon, DaemonsFixture } from './daemons.fixture.ts';
import { checkJournal } from './journal-check.fixture.ts';
import { OwnEngine } from './own-engine.fixture.ts';

const taskCount = 200;
const victims = [['worker'], ['engine'], ['engine', 'worker']] as const;
const kills = 9;
/** To be set to the number that a failed run printed: what is killed, and after how many ends. */
const seed = Number(process.env.GRID_TEST_SEED ?? Date.now() % 1_000_000);

const isRoot = process.getuid?.() === 0;
let grid: DaemonsFixture;
let engine: OwnEngine;
/** What the containers may write into. */
let out: string;

beforeAll(async () => {
  if (!isRoot) return;
  grid = new DaemonsFixture();
  grid.prepare();
  out = mkdtempSync(join(tmpdir(), 'gg-mount-'));
  grid.onStop(async () => rmSync(out, { recursive: true }));
  chmodSync(out, 0o755);
  engine = new OwnEngine();
  grid.onStop(() => engine.stop());
  await engine.start();
  const env = { ...process.env, DOCKER_HOST: `unix://${engine.socket}` };
  const script = join(import.meta.dirname, '../../scripts/make-test-image.sh');
  execFileSync('bash', [script], { env, stdio: 'ignore' });
});

afterAll(async () => {
  if (!isRoot) return;
  await grid.stop();
  expect(grid.deaths).toEqual([]);
});

/** Lehmer's generator. */
function* numbers(from: number): Generator<number, never> {
  for (let state = (from % 2_147_483_646) + 1; ; ) {
    state = (state * 48_271) % 2_147_483_647;
    yield state / 2_147_483_647;
  }
}

/** What has ended, and who waits for how many ends. */
class Ends {
  readonly outcomes = new Map<number, Outcome>();
  private waiting: (() => void)[] = [];

  note(id: number, outcome: Outcome): void {
    if (this.outcomes.has(id)) throw new Error(`t${id} was answered twice`);
    this.outcomes.set(id, outcome);
    for (const wake of this.waiting.splice(0)) wake();
  }

  async count(least: number): Promise<void> {
    while (this.outcomes.size < least) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }
}

async function kill(names: readonly string[], worker: Daemon): Promise<void> {
  if (names.includes('worker')) await worker.kill();
  if (names.includes('engine')) await engine.kill();
  if (names.includes('worker')) worker.start();
  if (names.includes('engine')) await engine.start();
}

it.skipIf(!isRoot)(`${taskCount} short containers, ${kills} kills`, { timeout: 300_000 }, async () => {
  process.stdout.write(`GRID_TEST_SEED=${seed}\n`);
  const lines = join(out, 'lines');
  writeFileSync(lines, '');
  // Containers run as nobody in particular.
  chmodSync(lines, 0o666);
  writeFileSync(join(grid.home, 'policy.yaml'), `mounts:\n  out: { path: ${out}, mode: rw }\n`);
  grid.env.DOCKER_HOST = `unix://${engine.socket}`;
  const broker = grid.daemon(['broker']);
  const worker = grid.daemon(['worker', '--slots', '6']);
  const client = await grid.client();

  const ends = new Ends();
  const command = ['sh', '-c', 'echo $GRID_TASK.$GRID_ATTEMPT >>/out/lines; sleep 0.2'];
  const mounts = [{ name: 'out', to: '/out', readOnly: false }];
  const body = { image: 'gryphgen-test:latest', command, mounts };
  const resources = { cpuMilli: 250, memoryBytes: 16 * 2 ** 20, diskBytes: 0 };
  const all = Array.from({ length: taskCount }, async () => {
    const { accepted, finished } = client.submit({ kind: 'container', resources, body });
    const id = await accepted;
    ends.note(id, await finished);
  });

  const random = numbers(seed);
  const after = Array.from({ length: kills }, () => Math.floor(random.next().value * taskCount * 0.9));
  for (const [nth, least] of after.toSorted((a, b) => a - b).entries()) {
    await ends.count(least);
    // Anywhere in the life of the next containers.
    await new Promise((resolve) => setTimeout(resolve, random.next().value * 500));
    await kill(victims[nth % victims.length] ?? [], worker);
  }
  await Promise.all(all);

  const bad = [...ends.outcomes].filter(([, { state }]) => state !== 'succeeded');
  expect(bad).toEqual([]);
  // What could not be removed while the engine was away is found by the next look at the machine.
  await expect
    .poll(async () => (await engine.docker.listContainers({ all: true })).length, { timeout: 60_000 })
    .toBe(0);
  expect(await client.request('status', {})).toMatchObject({ live: 0, journal: { findings: [] } });
  await client.close();
  await worker.end();
  await broker.end();

  const requeued = await checkJournal(join(grid.home, 'journal'), [...ends.outcomes.keys()]);
  expectOneStartPerAttempt(readFileSync(lines, 'utf8'), ends.outcomes, requeued);
  expectNothingLeft(await engine.docker.listNetworks(), (await engine.docker.listVolumes()).Volumes);
});

function expectOneStartPerAttempt(
  text: string,
  outcomes: ReadonlyMap<number, Outcome>,
  requeued: ReadonlySet<string>,
): void {
  const started = text.trim().split('\n');
  const twice = started.filter((name, at) => started.indexOf(name) !== at);
  expect(twice).toEqual([]);
  for (const [id, { attempts }] of outcomes) {
    expect(started).toContain(`t${id}.${attempts}`);
    for (let attempt = 1; attempt < attempts; attempt += 1) expect(requeued).toContain(`${id}.${attempt}`);
  }
}

function expectNothingLeft(
  networks: readonly { readonly Name: string }[],
  volumes: readonly { readonly Name: string }[],
): void {
  expect(networks.map(({ Name }) => Name).sort()).toEqual(['bridge', 'host', 'none']);
  expect(volumes).toEqual([]);
  // Notes of what may run, and why it is ended.
  expect(existsSync(join(grid.home, 'worker', 'containers'))).toBe(false);
  const scratch = join(grid.home, 'worker', 'scratch');
  expect(existsSync(scratch) ? readdirSync(scratch) : []).toEqual([]);
  const logs = readdirSync(join(grid.home, 'worker', 'logs'));
  expect(logs.filter((name) => !/^t[0-9]+\.[0-9]+\.log$/.test(name))).toEqual([]);
}
