/** Machines with retrieval, in tests of who has copies of shards: they say what they have as the test says, and carry nothing. */
import {
  type CollectionDocument,
  decodeBody,
  type Envelope,
  encodeBody,
  type Failure,
  type HeldShard,
  type IngestBody,
  type SessionId,
  shardsLabel,
  shardsOnLabel,
} from '@gryphgen/protocol';
import { CoreFixture, report, sent } from '../core.fixture.ts';
import type { Task } from '../state.ts';

export const digest = `sha256:${'c'.repeat(64)}`;
/** What a task that makes a copy leaves. */
export const left = {
  result: new Uint8Array(),
  outputs: [{ path: '/out/copy', digest, bytes: 7, copied: true }],
};
const resources = { cpuMilli: 0, memoryBytes: 0, diskBytes: 0 };

export class PlayedCopies {
  readonly grid = new CoreFixture();
  private readonly client = this.grid.client();
  private readonly sessions = new Map<string, SessionId>();
  private readonly held = new Map<string, readonly HeldShard[]>();
  private asked = 0;
  private reports = 0;

  ask(op: string, args: object): { result: unknown; failure: Failure | null } {
    this.asked += 1;
    const message = { kind: 'request', id: this.asked, op, args } as const;
    const [reply] = sent(this.grid.say(this.client, message), 'reply');
    if (reply === undefined) throw new Error(`${op} is not answered`);
    return reply;
  }

  document(op: string, args: object): CollectionDocument {
    const { result, failure } = this.ask(op, args);
    if (failure !== null) throw new Error(failure.message);
    return result as CollectionDocument;
  }

  place(args: object = {}): CollectionDocument {
    return this.document('placeCollection', { name: 'docs', ...args });
  }

  now() {
    return (this.ask('collections', { name: 'docs' }).result as CollectionDocument[])[0]?.shards[0];
  }

  copiesNow() {
    return this.now()?.copies?.map(({ worker, version }) => [worker, version]);
  }

  hello(...workers: readonly string[]): void {
    for (const worker of workers) this.sessions.set(worker, this.grid.worker(worker, this.told(worker)));
  }

  /** One of a version that knows of no copies. */
  helloOld(worker: string): void {
    this.sessions.set(worker, this.grid.worker(worker, { ...this.told(worker), retrieval: undefined }));
  }

  bye(worker: string): void {
    this.grid.step({ kind: 'sessionClosed', session: this.sessions.get(worker) as SessionId });
    this.sessions.delete(worker);
  }

  /** What it has of the shard from now on, by its word. */
  has(worker: string, version: number, more: Partial<HeldShard> = {}): void {
    this.tell(worker, [{ collection: 'docs', index: 0, of: 1, epoch: 1, version, ...more }]);
  }

  /** Its disk is another. */
  hasNothing(worker: string): void {
    this.tell(worker, []);
  }

  private tell(worker: string, held: readonly HeldShard[]): void {
    this.held.set(worker, held);
    this.reports += 1;
    this.grid.say(this.sessions.get(worker) as SessionId, {
      kind: 'report',
      seq: this.reports,
      report: report({ ...this.told(worker), name: worker }),
    });
  }

  /** Tasks that the broker began itself, and that are leased. */
  carrying(): readonly { readonly task: Task; readonly op: string }[] {
    return [...this.grid.state.tasks.values()]
      .filter(({ client, lease }) => client === '' && lease !== null)
      .map((task) => ({ task, op: task.spec.envelope.name.split(' ')[0] ?? '' }));
  }

  opsNow() {
    return this.carrying().map(({ op, task }) => [op, task.lease?.worker]);
  }

  /** What is carried now ends. */
  end(outcome: object = {}, failure: Failure | null = null): void {
    for (const { task } of this.carrying()) {
      const { id, attempt, lease } = task;
      this.grid.say(this.sessions.get(lease?.worker ?? '') as SessionId, {
        kind: 'result',
        ...{ task: id, attempt, epoch: lease?.epoch as never },
        ...{ exitCode: failure === null ? 0 : -1, failure, outcome: encodeBody(outcome), ranMs: 1 },
      });
    }
  }

  /** So that what changed has rested. */
  rest(ms = 3000): void {
    this.grid.pass(ms, [this.client, ...this.sessions.values()]);
  }

  submit(seq: number, over: Partial<Envelope> = {}): Task {
    const shard = { collection: 'docs', index: 0 };
    this.grid.submit(this.client, seq, { kind: 'ingest', resources, shard, ...over });
    return [...this.grid.state.tasks.values()].at(-1) as Task;
  }

  /** w-1 owns docs at this version, and w-2 has a copy of it. */
  copied(version = 1): void {
    this.hello('w-1', 'w-2');
    this.place({ replicas: 1 });
    this.has('w-1', version);
    this.rest();
    this.end(left);
    this.rest(500);
    this.has('w-2', version, { isCopy: true });
    this.end();
  }

  private told(worker: string) {
    const shards = this.held.get(worker) ?? [];
    const own = shards.filter(({ isCopy, isGone }) => isCopy !== true && isGone !== true);
    const labels = own.map(({ collection, index, of, epoch }) =>
      shardsOnLabel(collection, { of, held: [{ index, epoch }] }),
    );
    return {
      capabilities: ['ingest', 'retrieve'],
      labels: { [shardsLabel.name]: shardsLabel.value, ...Object.fromEntries(labels) },
      retrieval: { copyKey: worker.padEnd(43, 'k'), shards },
    };
  }
}

/** As the fixture keeps it. */
export function bodyOf({ body }: Task): IngestBody {
  const read = decodeBody(Uint8Array.from(JSON.parse(body) as number[]));
  if (!read.ok) throw new Error(read.failure.message);
  return read.value as IngestBody;
}
