/**
 * A whole grid for one benchmark: a broker, workers and a load, each in a process of its own, over CURVE on TCP
 * loopback, with its state in a folder that goes with it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { saveMembership } from '@gryphgen/client';
import { AuthorizedKeys, loadIdentity } from '@gryphgen/runtime';
import type { Setting } from './benchmark.ts';
import { type ProcessUse, useOf } from './process-meter.ts';
import type { LoadAnswer, LoadOrder, LoadReport } from './processes/load-orders.ts';
import { bytesThrough } from './socket-bytes.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface GridShape {
  readonly workers: number;
  readonly clients: number;
}

export class BenchGrid {
  readonly home: string;
  private readonly port: number;
  private readonly setting: Setting;
  private readonly processes: ChildProcess[] = [];
  private stopping = false;
  /** Rejects when a process of the grid ends before it is told to. */
  private readonly died: Promise<never>;
  private onDeath: (error: Error) => void = () => undefined;
  private broker: ChildProcess | undefined;
  private load: ChildProcess | undefined;

  private constructor(setting: Setting, home: string, port: number) {
    this.setting = setting;
    this.home = home;
    this.port = port;
    this.died = new Promise((_, reject) => {
      this.onDeath = reject;
    });
    // Whoever waits for an answer hears of it; when nobody does, the next one to ask will.
    this.died.catch(() => undefined);
  }

  /** The grid has run its first tasks when this resolves. */
  static async start(setting: Setting, { workers, clients }: GridShape): Promise<BenchGrid> {
    mkdirSync(join(root, '.tmp'), { recursive: true });
    const grid = new BenchGrid(setting, mkdtempSync(join(root, '.tmp', 'bench-')), await freePort());
    try {
      grid.enrol(workers);
      grid.broker = grid.spawn('broker', []);
      if (workers > 0) grid.spawn('workers', [String(workers)]);
      grid.load = grid.spawn('load', []);
      await grid.order({ kind: 'open', home: grid.home, endpoint: grid.endpoint, clients });
      if (workers > 0) await grid.burst(setting.scale.warmUp);
      return grid;
    } catch (error) {
      await grid.stop();
      throw error;
    }
  }

  burst(tasks: number, outstanding = this.setting.scale.outstanding): Promise<LoadReport> {
    return this.order({ kind: 'burst', tasks, outstanding });
  }

  async order(order: LoadOrder): Promise<LoadReport> {
    const answer = (await this.ask(this.load as ChildProcess, order)) as LoadAnswer;
    if (answer.kind === 'failed') throw new Error(answer.message);
    return answer.report;
  }

  brokerUse(): ProcessUse {
    return useOf(this.broker?.pid as number);
  }

  /** After a garbage collection. */
  async brokerMemory(): Promise<NodeJS.MemoryUsage> {
    return (await this.ask(this.broker as ChildProcess, 'memory')) as NodeJS.MemoryUsage;
  }

  wireBytes(): number {
    return bytesThrough(this.port);
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    this.stopping = true;
    for (const child of this.processes.splice(0).reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    }
    rmSync(this.home, { recursive: true, force: true });
  }

  private get endpoint(): string {
    return `tcp://127.0.0.1:${this.port}`;
  }

  private enrol(workers: number): void {
    const broker = loadIdentity(this.home, 'broker');
    saveMembership(this.home, {
      gridKey: broker.key,
      brokerKey: broker.key,
      brokerCurveKey: broker.curve.publicKey,
    });
    const authorized = new AuthorizedKeys(this.home);
    const names = ['admin', ...Array.from({ length: workers }, (_, index) => `worker-${index}`)];
    for (const name of names) {
      const { key, curve } = loadIdentity(this.home, name);
      const role = name === 'admin' ? 'admin' : 'worker';
      authorized.add({ key, curveKey: curve.publicKey, role, name, addedAt: Date.now() });
    }
  }

  private spawn(name: 'broker' | 'workers' | 'load', more: readonly string[]): ChildProcess {
    const { profileDir } = this.setting;
    const profile =
      profileDir === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${join(profileDir, name)}`];
    const probe = name === 'load' ? [] : ['--import', processFile('probe.mjs')];
    const entry = [processFile(`${name}.ts`), this.home, this.endpoint, ...more];
    const child = spawn(process.execPath, [...profile, '--import', 'tsx', ...probe, ...entry], {
      cwd: root,
      // Our stdout is for rows alone.
      stdio: ['ignore', 2, 2, 'ipc'],
    });
    child.once('exit', (code, signal) => {
      if (!this.stopping) this.onDeath(new Error(`the ${name} process ended by itself: ${signal ?? code}`));
    });
    this.processes.push(child);
    return child;
  }

  private async ask(child: ChildProcess, question: LoadOrder | 'memory'): Promise<unknown> {
    const answered = once(child, 'message');
    child.send(question);
    const [answer] = await Promise.race([answered, this.died]);
    return answer;
  }
}

const processFile = (name: string) => fileURLToPath(new URL(`./processes/${name}`, import.meta.url));

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port is free');
  return address.port;
}
