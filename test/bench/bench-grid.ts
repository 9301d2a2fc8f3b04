/**
 * A whole grid for one benchmark: the real daemons and a load, each in a process of its own, over CURVE on TCP loopback,
 * with its state in a folder that goes with it.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Client, connect } from '@gryphgen/client';
import { AuthorizedKeys, createLog, loadIdentity } from '@gryphgen/runtime';
import { BenchProcess } from './bench-process.ts';
import type { Setting } from './benchmark.ts';
import type { ProcessUse } from './process-meter.ts';
import type { ControlReport, LoadAnswer, LoadOrder, LoadReport } from './processes/load-orders.ts';
import type { TransferOrder } from './processes/transfer-orders.ts';
import { bytesThrough } from './socket-bytes.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const program = new URL('../../packages/cli/bin/grid.js', import.meta.url);
const probe = fileURLToPath(new URL('./processes/probe.mjs', import.meta.url));
const typescript = ['--import', 'tsx'];
/** As many as tasks are outstanding: a worker's slots are not what is measured. */
const slots = 1024;

export interface GridShape {
  /** One is a daemon of its own; more share a process. */
  readonly workers: number;
  readonly clients: number;
  /** Workers that do not look at the machine: as many as there shall be. */
  readonly bare?: boolean;
  /** The one worker keeps collections, too. */
  readonly retrieval?: boolean;
}

interface Ready {
  readonly kind: 'ready';
  readonly details: { readonly endpoints: readonly string[] };
}

export class BenchGrid {
  readonly home: string;
  private readonly setting: Setting;
  private readonly running: BenchProcess[] = [];
  private broker!: BenchProcess;
  private workers: BenchProcess | undefined;
  private load!: BenchProcess;
  private endpoint = '';

  private constructor(setting: Setting, home: string) {
    this.setting = setting;
    this.home = home;
  }

  /** The grid has run its first tasks when this resolves. */
  static async start(setting: Setting, shape: GridShape): Promise<BenchGrid> {
    // Beside the code: a folder for temporary files may be in memory, and its fsync for nothing.
    mkdirSync(join(root, '.tmp'), { recursive: true });
    const grid = new BenchGrid(setting, mkdtempSync(join(root, '.tmp', 'bench-')));
    try {
      await grid.startAll(shape);
      return grid;
    } catch (error) {
      await grid.stop();
      throw error;
    }
  }

  private async startAll({ workers, clients, bare = false, retrieval = false }: GridShape): Promise<void> {
    if (workers > 1) this.enrol(workers);
    await this.startBroker('tcp://127.0.0.1:*');
    if (workers === 1 && !bare) {
      this.workers = this.spawn('worker', program, [
        ...['worker', '--noop', '--slots', String(slots)],
        ...(retrieval ? ['--retrieval'] : []),
      ]);
    } else if (workers > 1) {
      this.workers = this.spawnOwn(bare ? 'bare-workers' : 'workers', [
        this.home,
        this.endpoint,
        String(workers),
      ]);
    }
    await this.workers?.hear('ready');
    this.load = this.spawnOwn('load', []);
    await this.load.hear('ready');
    await this.order({ kind: 'open', home: this.home, endpoint: this.endpoint, clients });
    if (workers > 0) await this.burst(this.setting.scale.warmUp);
  }

  private async startBroker(listen: string): Promise<void> {
    this.broker = this.spawn('broker', program, ['broker', '--listen', listen], ['--import', probe]);
    const { details } = await this.broker.hear<Ready>('ready');
    // It listens on a socket in its home as well.
    this.endpoint = details.endpoints.find((endpoint) => endpoint.startsWith('tcp:')) as string;
  }

  /** Kills the broker and starts it again; resolves with how long it took from its first word until all workers were back, in s. */
  async killBroker(): Promise<number> {
    if (this.workers === undefined) throw new Error('this grid has no worker');
    await this.broker.stop('SIGKILL');
    const back = this.workers.ask<{ kind: 'back' }>({ kind: 'watch' }, 'back');
    back.catch(() => undefined);
    await this.startBroker(this.endpoint);
    const begun = performance.now();
    await back;
    return (performance.now() - begun) / 1000;
  }

  burst(tasks: number, outstanding = this.setting.scale.outstanding, sleepMs = 0): Promise<LoadReport> {
    return this.order({ kind: 'burst', tasks, outstanding, sleepMs });
  }

  async order(order: Exclude<LoadOrder, { kind: 'control' }>): Promise<LoadReport> {
    return (await this.tell<'done'>(order, 'done')).report;
  }

  async control(ratePerS: number, seconds: number): Promise<ControlReport> {
    return (await this.tell<'controlled'>({ kind: 'control', ratePerS, seconds }, 'controlled')).report;
  }

  private async tell<K extends LoadAnswer['kind']>(
    order: LoadOrder,
    kind: K,
  ): Promise<Extract<LoadAnswer, { kind: K }>> {
    const answer = await this.load.ask<LoadAnswer>(order, kind, 'failed');
    if (answer.kind === 'failed') throw new Error(answer.message);
    return answer as Extract<LoadAnswer, { kind: K }>;
  }

  /** Of broker, worker and client. */
  use(): Record<'broker' | 'worker' | 'client', ProcessUse> {
    if (this.workers === undefined) throw new Error('this grid has no worker');
    return { broker: this.broker.use(), worker: this.workers.use(), client: this.load.use() };
  }

  /** A process that moves bytes; it ends with the grid. */
  async spawnTransfer(): Promise<BenchProcess> {
    const spawned = this.spawnOwn('transfer', []);
    await spawned.hear('ready');
    return spawned;
  }

  bring(file: string): TransferOrder {
    return { kind: 'bring', file, home: this.home, endpoint: this.endpoint };
  }

  /** A session of this process's own; who opens it closes it before the grid stops. */
  client(): Promise<Client> {
    const log = createLog({ daemon: 'bench', level: 'warn' });
    return connect({ home: this.home, endpoints: [this.endpoint], log });
  }

  /** After a garbage collection. */
  async brokerMemory(): Promise<NodeJS.MemoryUsage> {
    interface MemoryAnswer {
      readonly kind: 'memory';
      readonly use: NodeJS.MemoryUsage;
    }
    return (await this.broker.ask<MemoryAnswer>('memory', 'memory')).use;
  }

  /** That went through the broker's connections. */
  wireBytes(): number {
    return bytesThrough(Number(this.endpoint.split(':').at(-1)));
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    for (const running of this.running.splice(0).reverse()) await running.stop();
    rmSync(this.home, { recursive: true, force: true });
  }

  private enrol(workers: number): void {
    const authorized = new AuthorizedKeys(this.home);
    for (let index = 0; index < workers; index++) {
      const name = `worker-${index}`;
      const { key, curve } = loadIdentity(this.home, name);
      authorized.add({ key, curveKey: curve.publicKey, role: 'worker', name, addedAt: Date.now() });
    }
  }

  private spawnOwn(
    name: 'workers' | 'bare-workers' | 'load' | 'transfer',
    args: readonly string[],
  ): BenchProcess {
    return this.spawn(name, new URL(`./processes/${name}.ts`, import.meta.url), args, typescript);
  }

  private spawn(
    name: string,
    file: URL,
    args: readonly string[],
    imports: readonly string[] = [],
  ): BenchProcess {
    const { profileDir } = this.setting;
    const profile =
      profileDir === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${join(profileDir, name)}`];
    const env = {
      GRID_HOME: this.home,
      GRID_BROKER: this.endpoint,
      GRID_LOG_LEVEL: 'warn',
    };
    const spawned = new BenchProcess({ name, file, args, execArgv: [...profile, ...imports], env });
    this.running.push(spawned);
    return spawned;
  }
}
