/** The executor of instances in a place of its own, with a real llama-server, tiny models, and a way to ask them. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { request } from 'node:http';
import { dirname, join } from 'node:path';
import {
  type ArtifactRef,
  type Envelope,
  type Epoch,
  encodeBody,
  ephemeralTaskId,
  type InferBody,
  type InferResult,
  type InstanceBody,
  type ModelUse,
  type PrincipalId,
  readOutcome,
} from '@gryphgen/protocol';
import {
  AnswerChannels,
  createLog,
  type Log,
  runFolder,
  systemAlarms,
  systemClock,
  systemRandom,
} from '@gryphgen/runtime';
import { type TinyModel, tinyBert, tinyLlama, writeGguf } from '@gryphgen/testkit';
import {
  CallExecutor,
  type DeviceLooks,
  type Fence,
  type Given,
  InstanceExecutor,
  inferCalls,
  keeperPlace,
  keyOf,
  LlamaEngines,
  LocalInstances,
  noFiles,
} from '@gryphgen/worker';
import { expect } from 'vitest';
import { pidsUnder } from './executor-process-place.ts';
import { newFence, orderOf, type Place, Recorder } from './executor-suite.ts';
import { llamaProgram } from './llama-program.ts';

const log: Log = createLog({ daemon: 'test', level: 'silent' });
const models: Readonly<Record<ModelUse, () => TinyModel>> = {
  infer: tinyLlama,
  embed: () => tinyBert('embed'),
  rerank: () => tinyBert('rerank'),
};

/** Each is written once for a folder. */
export async function tinyModel(folder: string, use: ModelUse): Promise<string> {
  const path = join(folder, `${use}.gguf`);
  const { metadata, tensors } = models[use]();
  await writeGguf(path, metadata, tensors);
  return path;
}

export interface InstancePlaceOptions {
  readonly programs?: string;
  readonly stillMs?: number;
  readonly looks?: DeviceLooks;
}

/** Who submits what is asked here. */
export const asker = 'p-0123456789abcdef' as PrincipalId;

/** One life of a worker's executors for models. */
export class InstancePlace {
  readonly place: Place;
  readonly executor: InstanceExecutor;
  readonly answers = new Recorder();
  readonly channels = new AnswerChannels({ alarms: systemAlarms });
  private readonly calls: readonly CallExecutor[];
  /** By fence: the file or folder that the attempt is given. */
  private readonly files = new Map<string, string>();

  constructor(place: Place, { programs = llamaProgram('llama-server'), ...more }: InstancePlaceOptions = {}) {
    const { logs, events, folder: home } = place;
    const tools = { clock: systemClock, alarms: systemAlarms, random: systemRandom, log };
    const paths = { path: '/usr/bin:/bin', libraries: '' };
    const engines = new LlamaEngines({ programs, paths, ...tools });
    const instances = new LocalInstances();
    this.place = place;
    this.executor = new InstanceExecutor({
      ...{ ...tools, ...more, events, engines, paths, instances, home },
      beginLog: ({ task, attempt }) => logs.begin(task, attempt),
      resumeLog: ({ task, attempt }, held) => logs.resume(task, attempt, held),
      files: { ...noFiles, give: async (fence) => ({ ok: true, value: this.given(fence) }) },
    });
    const { clock, alarms } = tools;
    this.calls = inferCalls({ engines, instances, clock, alarms, channels: this.channels }).map(
      (call) =>
        new CallExecutor(call as never, {
          ...{ ...tools, events: this.answers, files: noFiles, noteSilent: () => undefined },
          beginLog: ({ task, attempt }) => logs.begin(task, attempt),
          relabelled: async () => undefined,
          heldChanged: async () => undefined,
        }),
    );
  }

  /** An instance of the model in this file. */
  start(path: string, use: ModelUse = 'infer', over: Partial<InstanceBody> = {}): Fence {
    const fence = newFence();
    this.files.set(keyOf(fence), path);
    const body: InstanceBody = {
      ...{ model: use, use, file: '', deviceLayers: 0 },
      serving: { slots: 2, slotTokens: 4096, kvType: 'f16' },
      inputs: [
        { digest: `sha256:${'0'.repeat(64)}`, bytes: 1, to: '/model' } as ArtifactRef & { to: '/model' },
      ],
      ...over,
    };
    const order = orderOf('instance', fence, encodeBody(body), { model: use });
    mkdirSync(dirname(keeperPlace(this.place.folder, 'instance').root), { recursive: true });
    const { device, divided = device === undefined ? [] : [{ device }] } = over;
    const devices = divided.map((each) => ({ uuid: each.device, vramBytes: 1, whole: false }));
    this.executor.start({ ...order, devices });
    return fence;
  }

  async ready(fence: Fence): Promise<void> {
    await this.place.events.until(
      (told) =>
        told.kind === 'served' && told.key === keyOf(fence) && told.service.health?.state === 'healthy',
    );
  }

  /** A task that asks the model named for its use. */
  ask(
    kind: ModelUse,
    path: InferBody['path'],
    request: object,
    channel?: string,
    more: Pick<InferBody, 'loan' | 'door'> = {},
    asked: Partial<Envelope> = { ...(more.loan && { loan: true, attended: true }) },
  ): Fence {
    const { task, ...life } = newFence();
    const fence = { ...life, task: ephemeralTaskId(1 as Epoch, task) };
    const bytes = new TextEncoder().encode(JSON.stringify(request));
    const body: InferBody = { path, request: bytes, ...(channel !== undefined && { channel }), ...more };
    const order = orderOf(kind, fence, encodeBody(body), { model: kind, ...asked });
    this.callsOf(kind).start({ ...order, principal: asker });
    return fence;
  }

  stopAsking(kind: ModelUse, fence: Fence): void {
    this.callsOf(kind).stop(fence, 10_000);
  }

  /** Others wait for the slot that it lends. */
  recall(kind: ModelUse, fence: Fence): void {
    this.callsOf(kind).recall(fence);
  }

  async result(fence: Fence): Promise<InferResult> {
    const { exit } = await this.answers.find('exited', fence);
    expect(exit.failure).toBeNull();
    return JSON.parse(Buffer.from(readOutcome(exit.outcome)?.result ?? []).toString()) as InferResult;
  }

  /** As the server of this instance has them. */
  async slots(fence: Fence): Promise<readonly { readonly is_processing: boolean }[]> {
    const home = await realpath(this.place.folder);
    const hash = createHash('sha256').update(keyOf(fence)).digest('hex').slice(0, 12);
    const socketPath = join(runFolder(home), `m-${hash}.sock`);
    const scratch = join(keeperPlace(home, 'instance').root, keyOf(fence));
    const authorization = `Bearer ${readFileSync(join(scratch, 'api-key'), 'utf8').trim()}`;
    const asked = request({ socketPath, path: '/slots', headers: { authorization } }).end();
    const [answer] = (await once(asked, 'response')) as [AsyncIterable<Buffer>];
    const parts: Buffer[] = [];
    for await (const part of answer) parts.push(part);
    return JSON.parse(Buffer.concat(parts).toString());
  }

  /** Of llama-servers here. */
  async pids(): Promise<readonly number[]> {
    const { root } = keeperPlace(await realpath(this.place.folder), 'instance');
    return (await pidsUnder(root)).map(Number);
  }

  async close(): Promise<void> {
    this.channels.close();
    await Promise.all(this.calls.map((call) => call.close()));
    await this.executor.close();
  }

  private callsOf(kind: ModelUse): CallExecutor {
    const found = this.calls.find((call) => call.kind === kind);
    if (found === undefined) throw new Error(`nothing answers ${kind}`);
    return found;
  }

  private given(fence: Fence): readonly Given[] {
    const path = this.files.get(keyOf(fence)) ?? '';
    const names = statSync(path).isDirectory() ? readdirSync(path) : [''];
    const entries = names.map((name) => ({
      ...({ kind: 'file', path: name, bytes: 1, executable: false, chunks: Buffer.alloc(0) } as const),
    }));
    const manifest = { digest: '', encoded: Buffer.alloc(0), entries, bytes: 1 };
    return [{ path, to: '/model', manifest }];
  }
}
