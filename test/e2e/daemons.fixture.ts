/** Real daemons as the spawned `grid` runs them: started, killed, paused and restarted by a test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type Client,
  connect,
  gridOf,
  hasMembership,
  loadMembership,
  saveMembership,
} from '@gryphgen/client';
import { AuthorizedKeys, brokerSocketPath, loadIdentity } from '@gryphgen/runtime';
import { connectEngine, endProcesses } from '@gryphgen/worker';
import { prepareHome } from '../../packages/cli/src/daemons/grid-home.ts';
import { silentLog } from './broker.fixture.ts';

const gridCommand = fileURLToPath(new URL('../../packages/cli/bin/grid.js', import.meta.url));

/** One daemon in a process of its own; `restart` after `kill` is the same daemon again. */
export class Daemon {
  private child: ChildProcess | undefined;
  private exited: Promise<unknown> = Promise.resolve();
  private readonly args: readonly string[];
  private readonly env: NodeJS.ProcessEnv;
  private ending = false;
  private stderr = '';
  /** Ends that nobody asked for, with the last words. */
  private readonly deaths: string[];

  constructor(args: readonly string[], env: NodeJS.ProcessEnv, deaths: string[]) {
    this.args = args;
    this.env = env;
    this.deaths = deaths;
  }

  start(): void {
    const { child: former } = this;
    // It would be lost, and live on after the tests.
    if (former?.exitCode === null && former.signalCode === null)
      throw new Error(`${this.args.join(' ')} is running`);
    const child = spawn(process.execPath, [gridCommand, ...this.args], {
      env: this.env,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    child.stderr?.on('data', (bytes: Buffer) => {
      this.stderr = (this.stderr + bytes.toString()).slice(-20_000);
    });
    this.child = child;
    this.ending = false;
    this.exited = once(child, 'exit').then(([code, signal]) => {
      if (!this.ending) this.deaths.push(`${this.args.join(' ')} exited: ${code ?? signal}\n${this.stderr}`);
    });
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  signal(name: NodeJS.Signals): void {
    this.child?.kill(name);
  }

  async kill(): Promise<void> {
    this.ending = true;
    this.signal('SIGKILL');
    await this.exited;
  }

  async end(): Promise<void> {
    if (this.child?.exitCode !== null) return;
    this.ending = true;
    this.signal('SIGCONT');
    this.signal('SIGTERM');
    await this.exited;
  }
}

export class DaemonsFixture {
  /** Daemons that ended by themselves: a test expects none. */
  readonly deaths: string[] = [];
  readonly home = mkdtempSync(join(tmpdir(), 'gg-daemons-'));
  readonly env: NodeJS.ProcessEnv = { ...process.env, GRID_HOME: this.home, GRID_LOG_LEVEL: 'warn' };
  private readonly undo: (() => Promise<void>)[] = [];

  get endpoint(): string {
    return `ipc://${brokerSocketPath(this.home)}`;
  }

  /** Makes the keys of a one-machine grid, as `grid up` does for its user. */
  prepare(): void {
    prepareHome(this.home, Date.now());
  }

  daemon(args: readonly string[], home = this.home): Daemon {
    const env = { ...this.env, GRID_HOME: home, GRID_BROKER: this.endpoint };
    const daemon = new Daemon(args, env, this.deaths);
    this.undo.push(() => daemon.end());
    daemon.start();
    return daemon;
  }

  /** A home for another machine's worker that this grid admits. Before the broker starts: it reads its keys once. */
  enrolWorker(name: string): string {
    const home = mkdtempSync(join(tmpdir(), 'gg-worker-'));
    this.undo.push(() => removeHome(home));
    const { key, curve } = loadIdentity(home, 'worker');
    const authorized = new AuthorizedKeys(this.home);
    authorized.add({ key, curveKey: curve.publicKey, role: 'worker', name, addedAt: Date.now() });
    saveMembership(home, loadMembership(this.home));
    return home;
  }

  async client(): Promise<Client> {
    const client = await connect({
      home: this.home,
      endpoints: [this.endpoint],
      log: silentLog,
      patienceMs: 120_000,
      // The broker has only just been started.
      firstSessionMs: 60_000,
    });
    this.undo.push(() => client.close());
    return client;
  }

  onStop(undo: () => Promise<void>): void {
    this.undo.push(undo);
  }

  /** Containers outlive their worker: those that its next life would remove are removed here. */
  async stop(): Promise<void> {
    for (const undo of this.undo.splice(0).reverse()) await undo();
    await removeContainers(this.home);
    await removeHome(this.home);
  }
}

async function removeContainers(home: string): Promise<void> {
  if (!hasMembership(home)) return;
  const label = [`gryphgen.grid=${gridOf(loadMembership(home))}`];
  const docker = connectEngine();
  const found = await docker.listContainers({ all: true, filters: { label } });
  for (const { Id } of found) await docker.getContainer(Id).remove({ force: true, v: true });
}

/** Processes run on when their worker is stopped. */
async function removeHome(home: string): Promise<void> {
  await endProcesses(home);
  rmSync(home, { recursive: true, force: true });
}

/** Starts of this grid's containers, as the engine itself tells them. */
export class ContainerStarts {
  readonly byTask = new Map<string, number>();
  private wake: () => void = () => undefined;
  private readonly child: ChildProcess;

  constructor(home: string) {
    const filters = ['event=start', `label=gryphgen.grid=${gridOf(loadMembership(home))}`];
    // What starts before the engine listens to this is told as well.
    const since = (Date.now() / 1000 - 1).toFixed(3);
    this.child = spawn(
      'docker',
      [
        ...['events', '--since', since, '--format', '{{json .Actor.Attributes}}'],
        ...filters.flatMap((filter) => ['--filter', filter]),
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let rest = '';
    this.child.stdout?.on('data', (bytes: Buffer) => {
      const lines = (rest + bytes.toString()).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.note(JSON.parse(line) as Record<string, string>);
    });
  }

  private note(attributes: Record<string, string>): void {
    const task = attributes['gryphgen.task'];
    if (task !== undefined) this.byTask.set(task, (this.byTask.get(task) ?? 0) + 1);
    this.wake();
  }

  /** Resolves when each of these was told of: the engine tells on its own way, and may be late. */
  async seen(tasks: Iterable<number>): Promise<void> {
    for (const task of tasks)
      while (!this.byTask.has(String(task)))
        await new Promise<void>((resolve) => {
          this.wake = resolve;
        });
  }

  async stop(): Promise<void> {
    this.child.kill();
    await once(this.child, 'exit');
  }
}
