/**
 * The part of `grid fsck` that reads the files of tasks: those kept beside the broker, those of this machine's worker, and
 * kept logs. The broker has no part in it: what is kept never changes, so whoever may read a home can judge it meanwhile.
 *
 * 1. Only what is bad is put aside, only where that was asked for, and while no daemon runs on the home: one that does
 *    knows by heart what it keeps.
 * 2. Of what is bad the first are named, and all are counted.
 */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, readFile, rename } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { pipeline } from 'node:stream/promises';
import {
  type ArtifactsCheckDocument,
  type CheckFinding,
  failure,
  formatTaskId,
  GridError,
  type TaskId,
} from '@gryphgen/protocol';
import { checkStore, isMissing, namesIn, setAside } from '@gryphgen/runtime';
import { lockFolder } from '@gryphgen/runtime/folder-lock';
import { keptLogPattern, sumOf } from '../artifacts/kept-logs.ts';
import { lockJournal } from '../journal/lock.ts';

export interface ArtifactsCheckOrder {
  readonly home: string;
  readonly putAside: boolean;
  readonly wallMs: number;
  readonly signal: AbortSignal;
  /** `what` is being read, and how much of it was. */
  readonly onRead: (what: string, bytes: number, of: number) => void;
}

export interface ArtifactsCheck {
  readonly facts: ArtifactsCheckDocument;
  readonly findings: readonly CheckFinding[];
}

const namedArtifacts = 10;
const namedLogs = 10;
const stores = [
  { what: 'artifacts', folder: 'artifacts', ofWorker: false },
  { what: "the worker's artifacts", folder: join('worker', 'artifacts', 'store'), ofWorker: true },
];

/** Rejects with GridError or JournalError, in words, and with what the file system says. */
export async function checkArtifacts(order: ArtifactsCheckOrder): Promise<ArtifactsCheck> {
  if (!stores.some(({ folder }) => existsSync(join(order.home, folder)))) {
    const words = `${order.home} keeps no files of tasks: run this on the machine that does (GRID_HOME)`;
    throw new GridError(failure('rejected.state', words));
  }
  const release = order.putAside ? lockHome(order.home) : () => undefined;
  try {
    return await new Reading(order).run();
  } finally {
    release();
  }
}

function lockHome(home: string): () => void {
  const by = `grid fsck, pid ${process.pid}`;
  const journal = join(home, 'journal');
  const locks = existsSync(journal) ? [lockJournal(journal, by)] : [];
  const release = (): void => {
    for (const lock of locks) lock.release();
  };
  if (!existsSync(join(home, 'worker'))) return release;
  const worker = lockFolder(join(home, 'worker'), 'worker', by);
  if ('lock' in worker) {
    locks.push(worker.lock);
    return release;
  }
  release();
  const words = `the worker of ${home} runs (${worker.heldBy}): stop it, then put aside what is bad`;
  throw new GridError(failure('rejected.state', words));
}

class Reading {
  private readonly order: ArtifactsCheckOrder;
  private readonly findings: CheckFinding[] = [];
  private readonly putAside = new Set<string>();
  private readonly aside: string;
  private bytes = 0;

  constructor(order: ArtifactsCheckOrder) {
    this.order = order;
    this.aside = `damaged-${new Date(order.wallMs).toISOString().replace(/[:.]/g, '-')}`;
  }

  async run(): Promise<ArtifactsCheck> {
    let [artifacts, badArtifacts] = [0, 0];
    for (const store of stores) {
      const found = await this.store(store);
      artifacts += found.artifacts;
      badArtifacts += found.bad;
    }
    const logs = await this.logs();
    const putAside = [...this.putAside];
    return {
      facts: { artifacts, badArtifacts, ...logs, bytes: this.bytes, putAside },
      findings: this.findings,
    };
  }

  private async store({ what, folder, ofWorker }: (typeof stores)[number]) {
    const { home, signal, onRead } = this.order;
    const path = join(home, folder);
    let bad = 0;
    const found = await checkStore(path, {
      signal,
      onRead: (bytes, of) => onRead(what, bytes, of),
      onBad: async (artifact) => {
        bad += 1;
        const aside = join(path, this.aside);
        if (this.order.putAside) await setAside(path, artifact, aside);
        const fix = this.fixOf(aside, ofWorker ? ofWorkerFix : besideFix);
        const file = join(folder, 'artifacts', artifact.digest.replace(/^sha256:/, ''));
        if (bad <= namedArtifacts)
          this.findings.push({ level: 'damage', file, place: '', what: artifact.what, fix });
      },
    });
    this.bytes += found.bytes;
    if (bad > namedArtifacts) this.more(folder, `${bad - namedArtifacts} more artifacts are damaged`);
    return found;
  }

  private async logs(): Promise<Pick<ArtifactsCheckDocument, 'logs' | 'logsWithoutSum' | 'badLogs'>> {
    const { home, signal, onRead } = this.order;
    const folder = join('artifacts', 'logs');
    let [logs, logsWithoutSum, badLogs, read] = [0, 0, 0, 0];
    for await (const path of logsIn(join(home, folder))) {
      signal.throwIfAborted();
      const found = await checkLog(path);
      if (found === null) continue;
      logs += 1;
      read += found.bytes;
      onRead('logs', read, read);
      if (found.kind === 'sumless') logsWithoutSum += 1;
      if (found.kind !== 'bad') continue;
      badLogs += 1;
      const aside = join(home, 'artifacts', this.aside);
      if (this.order.putAside) await moveLog(path, join(aside, 'logs', basename(dirname(path))));
      const what = `the log of ${found.of} is not what was stored: it has another sha-256`;
      const fix = this.fixOf(aside, logFix);
      if (badLogs <= namedLogs)
        this.findings.push({ level: 'damage', file: relative(home, path), place: '', what, fix });
    }
    this.bytes += read;
    if (badLogs > namedLogs) this.more(folder, `${badLogs - namedLogs} more logs are damaged`);
    return { logs, logsWithoutSum, badLogs };
  }

  private fixOf(aside: string, fix: string): string {
    if (!this.order.putAside) return fix;
    this.putAside.add(aside);
    return `it was put aside into ${aside}: look into it or keep it for a report, then delete it`;
  }

  private more(file: string, what: string): void {
    this.findings.push({ level: 'damage', file, place: '', what, fix: 'as with those before' });
  }
}

const byOption = 'stop the daemons of this home and run grid fsck --artifacts --put-aside';
const besideFix = `${byOption}; then a worker that has it sends it, a backup has it (grid restore), or it is brought again (submit anew)`;
const ofWorkerFix = `${byOption}; then it is fetched again by the next task that needs it`;
const logFix = `${byOption}, or leave it: it is still read (grid logs)`;

async function moveLog(path: string, into: string): Promise<void> {
  await mkdir(into, { recursive: true, mode: 0o700 });
  for (const from of [sumOf(path), path]) await rename(from, join(into, basename(from)));
}

async function* logsIn(folder: string): AsyncGenerator<string, void> {
  for (const worker of await namesIn(folder)) {
    // A log that comes has no place yet.
    if (worker.endsWith('.tmp')) continue;
    for (const name of await namesIn(join(folder, worker)))
      if (keptLogPattern.test(name)) yield join(folder, worker, name);
  }
}

interface LogCheck {
  readonly kind: 'sound' | 'bad' | 'sumless';
  /** The attempt. */
  readonly of: string;
  readonly bytes: number;
}

/** Null of one that has gone, or that another took the place of, while it was read. */
async function checkLog(path: string): Promise<LogCheck | null> {
  const [, task = '0', attempt = '0'] = /t([0-9]+)\.([0-9]+)\.log$/.exec(path) ?? [];
  const of = `${formatTaskId(Number(task) as TaskId)}, try ${attempt}`;
  const sum = await readSum(path);
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    await pipeline(createReadStream(path), async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) {
        hash.update(chunk);
        bytes += chunk.length;
      }
    });
  } catch (error) {
    if (isMissing(error)) return null;
    if (error instanceof Error && 'code' in error && error.code === 'EIO') return { kind: 'bad', of, bytes };
    throw error;
  }
  if (sum === undefined) return { kind: 'sumless', of, bytes };
  if (hash.digest('hex') === sum) return { kind: 'sound', of, bytes };
  return (await readSum(path)) === sum ? { kind: 'bad', of, bytes } : null;
}

async function readSum(path: string): Promise<string | undefined> {
  try {
    const text = await readFile(sumOf(path), 'utf8');
    // What a crash left of one is none.
    return /^[0-9a-f]{64}$/.test(text) ? text : undefined;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}
