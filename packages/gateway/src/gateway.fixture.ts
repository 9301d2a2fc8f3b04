/** A gateway at a real socket before a grid that answers as a test says, with its keys in a home of its own. */

import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { Answer, AnswerHead, Question } from '@gryphgen/client';
import {
  type Epoch,
  ephemeralTaskId,
  type GridError,
  type InferResult,
  type ModelDocument,
  type PrincipalId,
} from '@gryphgen/protocol';
import {
  ApiKeys,
  type ApiScope,
  createApiKey,
  createLog,
  systemAlarms,
  systemClock,
  systemRandom,
} from '@gryphgen/runtime';
import { afterEach, beforeEach } from 'vitest';
import { Gateway, type GatewayOptions } from './gateway.ts';
import type { GatewayBounds } from './gateway-bounds.ts';
import type { GridDoor } from './grid-door.ts';

type Script = (question: Question, signal: AbortSignal) => AsyncIterable<Uint8Array>;
const result: InferResult = {
  status: 200,
  firstMs: 1,
  restMs: 1,
  tokens: { prompt: 3, cached: 0, output: 2 },
};
export const bytes = (words: string) => new TextEncoder().encode(words);
export const chat = (more: object = {}) => JSON.stringify({ model: 'tiny', messages: [], ...more });

export function deferred<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((tell) => {
    resolve = tell;
  });
  return { promise, resolve };
}

/** A grid with one model, `tiny`. */
class ScriptedGrid implements GridDoor {
  readonly asked: Question[] = [];
  private readonly waiting: (() => void)[] = [];
  contentType = 'application/json';
  answers: Script = async function* () {
    yield bytes('{"ok":true}');
  };
  refuses: GridError | undefined;
  /** When and with what an answer begins. */
  head = (): Promise<AnswerHead> => Promise.resolve({ status: 200, contentType: this.contentType });

  async ask(_: unknown, question: Question, signal: AbortSignal): Promise<Answer> {
    if (this.refuses !== undefined) throw this.refuses;
    this.asked.push(question);
    for (const wake of this.waiting.splice(0)) wake();
    return {
      task: Promise.resolve(ephemeralTaskId(3 as Epoch, 17)),
      ...({ question: 1, way: 'task' } as const),
      head: this.head(),
      body: this.answers(question, signal),
      result: Promise.resolve(result),
    };
  }

  async untilAsked(times: number): Promise<void> {
    while (this.asked.length < times) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  async models(): Promise<readonly ModelDocument[]> {
    const model = { name: 'tiny', addedAt: 5000, owner: 'p-1', use: 'infer', serving: { slotTokens: 512 } };
    return [{ ...model, instances: [{ state: 'ready' }] } as unknown as ModelDocument];
  }
}

export interface Told {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string;
  };
}

export class GatewayFixture {
  home = '';
  grid = new ScriptedGrid();
  /** Before the grid, where a test puts one there. */
  door: GridDoor | undefined;
  /** One that may do anything. */
  key = '';
  private readonly stops: (() => Promise<void> | void)[] = [];

  /** Around each test of the file. */
  constructor() {
    beforeEach(async () => {
      this.home = mkdtempSync(join(tmpdir(), 'gg-gateway-'));
      this.grid = new ScriptedGrid();
      this.door = undefined;
      ({ key: this.key } = await this.newKey());
    });
    afterEach(async () => {
      for (const stop of this.stops.splice(0).reverse()) await stop();
      rmSync(this.home, { recursive: true });
    });
  }

  newKey(
    more: Partial<
      Record<'perMinute' | 'concurrent' | 'expiresAt' | 'bodyBytes', number> & { scopes: ApiScope[] }
    > = {},
  ): ReturnType<typeof createApiKey> {
    const wish = {
      name: 'test',
      principal: 'p-0123456789abcdef' as PrincipalId,
      role: 'submitter' as const,
      scopes: ['infer', 'embed', 'models', 'metrics'] as ApiScope[],
      createdAt: 1,
      ...more,
    };
    return createApiKey(this.home, wish, systemRandom);
  }

  async open(bounds: Partial<GatewayBounds> = {}, tls?: GatewayOptions['tls']): Promise<string> {
    const made = new Gateway({
      host: '127.0.0.1',
      port: 0,
      tls,
      door: this.door ?? this.grid,
      keys: new ApiKeys(this.home),
      clock: systemClock,
      alarms: systemAlarms,
      random: systemRandom,
      log: createLog({ daemon: 'gateway', level: 'silent' }),
      bounds: { lookMs: 20, ...bounds },
    });
    this.onEnd(() => made.stop());
    return await made.start();
  }

  onEnd(stop: () => Promise<void> | void): void {
    this.stops.push(stop);
  }

  /** The beginning of an answer; its body is for the test to read. */
  async begin(url: string, body: string, key = this.key): Promise<IncomingMessage> {
    const asked = request(url, { method: 'POST', headers: { authorization: `Bearer ${key}` } });
    asked.end(body);
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    return answer;
  }

  async ask(url: string, body: string | undefined, headers: Record<string, string> = {}): Promise<Told> {
    const asked = request(url, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${this.key}`, ...headers },
      agent: false,
    });
    asked.end(body);
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    const said = await text(answer);
    const { error } = (said.startsWith('{') ? JSON.parse(said) : {}) as Pick<Told, 'error'>;
    return { status: answer.statusCode ?? 0, headers: answer.headers, body: said, error };
  }

  /** What is sent back until the other side closes. */
  async raw(url: string, sent: string): Promise<string> {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(sent);
    return await text(socket);
  }
}
