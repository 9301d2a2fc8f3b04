/**
 * The broker's side of the process that keeps artifacts: begun with the broker, begun again when it ends, ended with it.
 *
 * 1. The broker never waits for it: without it there are no artifacts beside the broker, and all else goes on.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { PrincipalId, PrincipalLimitTable } from '@gryphgen/protocol';
import { type Alarms, Backoff, type Cancel, type Identity, type Log, type Random } from '@gryphgen/runtime';
import type { BeginArtifacts, FromArtifacts, ToArtifacts } from './artifact-messages.ts';
import { defaultKeptLogBytes, type KeptLogBounds } from './kept-logs.ts';
import type { Beside } from './permission.ts';

const restarts = { baseMs: 500, ceilingMs: 30_000 };
/** A young generation of 1 MiB: see `heapGrowth` in artifact-process.ts. */
const heapFlags = ['--max-semi-space-size=1'];
/** For transfers to be told of the end; then SIGKILL. */
const stopMs = 5000;

export interface ArtifactSettings {
  readonly folder: string;
  /** Where it listens; `*` picks a port. */
  readonly endpoints: readonly string[];
  /** What it may take of the disk; `auto`: by the size of that. */
  readonly budgetBytes: number | 'auto';
  /** Those that nobody used for so long go; absent: they stay while there is room. */
  readonly artifactsAgeMs?: number;
  /** What is kept of logs; absent: as much as by default. */
  readonly logs?: Partial<KeptLogBounds>;
}

export interface ArtifactServiceOptions extends ArtifactSettings {
  readonly grid: string;
  readonly identity: Identity;
  readonly alarms: Alarms;
  readonly random: Random;
  readonly log: Log;
  readonly principalLimits: PrincipalLimitTable;
  /** By which grants expire, ms. */
  readonly wallMs: () => number;
  /** Which of these live tasks need. */
  readonly held: (artifacts: readonly string[]) => ReadonlySet<string>;
  /** Whose grants are void, at its start. */
  readonly revoked: () => readonly PrincipalId[];
}

export class ArtifactService {
  counters: Readonly<Record<string, number>> = {};
  /** The bytes of each principal that has any; null while nothing is known of it. */
  stored: Readonly<Record<string, number>> | null = null;
  private readonly options: ArtifactServiceOptions;
  private readonly backoff: Backoff;
  private child: ChildProcess | undefined;
  private bound: readonly string[] = [];
  private relayed: ReadonlySet<string> = new Set();
  private ended: Promise<void> = Promise.resolve();
  private stopping = false;
  private cancelRestart: Cancel = () => undefined;

  constructor(options: ArtifactServiceOptions) {
    this.options = options;
    this.backoff = new Backoff(options.random, restarts);
  }

  /** Null while it is not there. */
  get beside(): Beside | null {
    if (this.bound.length === 0) return null;
    const dataKey = this.options.identity.curve.publicKey;
    return { place: { endpoints: this.bound, dataKey }, relayed: this.relayed };
  }

  start(): void {
    const { folder, endpoints, budgetBytes, artifactsAgeMs, logs } = this.options;
    const { grid, identity, log, wallMs, held, revoked } = this.options;
    const file = fileURLToPath(new URL('./artifact-process.js', import.meta.url));
    const child = fork(file, [], { execArgv: heapFlags, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.child = child;
    const say = (message: ToArtifacts): void => this.say(child, message);
    let words = '';
    child.on('message', (message: FromArtifacts) => {
      switch (message.kind) {
        case 'ready':
          this.bound = message.endpoints;
          this.backoff.reset();
          log.info({ endpoints: message.endpoints }, 'artifacts are kept');
          return;
        case 'failed':
          words = message.words;
          return;
        case 'asksHeld':
          say({ kind: 'held', id: message.id, held: [...held(message.artifacts)] });
          return;
        case 'relayed':
          this.relayed = new Set(message.workers);
          return;
        case 'counters':
          this.counters = message.counters;
          this.stored = message.stored;
          return;
        default:
          message satisfies never;
      }
    });
    this.ended = new Promise((resolve) => {
      const onEnd = (how: string): void => {
        if (this.child !== child) return;
        this.child = undefined;
        this.bound = [];
        this.relayed = new Set();
        this.stored = null;
        resolve();
        if (this.stopping) return;
        log.warn({ how, words }, 'the process that keeps artifacts has ended; it is started again');
        this.cancelRestart = this.options.alarms.after(this.backoff.nextMs(), () => this.start());
      };
      child.once('error', (error) => onEnd(error.message));
      child.once('exit', (code, signal) => onEnd(signal ?? `exit code ${code}`));
    });
    const { key: brokerKey, curve } = identity;
    const settings = { folder, endpoints, budgetBytes, logs: { maxBytes: defaultKeptLogBytes, ...logs } };
    const aged = artifactsAgeMs === undefined ? {} : { artifactsAgeMs };
    const mostStored = storedOf(this.options.principalLimits);
    say({ kind: 'begin', ...settings, ...aged, mostStored, grid, brokerKey, curve, wallMs: wallMs() });
    this.revoke(revoked());
  }

  /** Those whose grants are void from now on, all of them. */
  revoke(principals: readonly PrincipalId[]): void {
    if (this.child !== undefined) this.say(this.child, { kind: 'revoked', principals });
  }

  async stop(): Promise<void> {
    this.stopping = true;
    this.cancelRestart();
    const { child } = this;
    if (child === undefined) return;
    if (child.connected) child.disconnect();
    const cancelKill = this.options.alarms.after(stopMs, () => child.kill('SIGKILL'));
    await this.ended;
    cancelKill();
  }

  private say(child: ChildProcess, message: ToArtifacts): void {
    if (child.connected) child.send(message, () => undefined);
  }
}

function storedOf({ everybody, named }: PrincipalLimitTable): BeginArtifacts['mostStored'] {
  const each = [...named].map(([id, { storedBytes }]) => [id, storedBytes ?? null]);
  return { everybody: everybody.storedBytes ?? null, named: Object.fromEntries(each) };
}
