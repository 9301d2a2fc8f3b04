/** A gateway's door to two real llama-servers of this machine, with no grid between. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Answer, Question } from '@gryphgen/client';
import type { GridDoor } from '@gryphgen/gateway';
import { type Epoch, ephemeralTaskId, failure, GridError, type ModelDocument } from '@gryphgen/protocol';
import { type TinyModel, tinyBert, tinyLlama, writeGguf } from '@gryphgen/testkit';
import { llamaEnvironment, llamaProgram } from './llama-program.ts';

const slots = 4;
const slotTokens = 512;

export class LlamaDoor implements GridDoor {
  private readonly sockets = new Map<string, string>();
  private readonly children: ChildProcess[] = [];
  private asked = 0;

  async start(folder: string): Promise<void> {
    await this.serve(folder, 'tiny', tinyLlama(), '--jinja');
    await this.serve(folder, 'embed', tinyBert('embed'), '--embedding');
  }

  async stop(): Promise<void> {
    for (const child of this.children) {
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    }
  }

  async ask(_: unknown, { model, path, request: body }: Question, signal: AbortSignal): Promise<Answer> {
    const socketPath = this.sockets.get(model);
    if (socketPath === undefined) throw new GridError(failure('rejected.not-found', `no model ${model}`));
    const headers = { 'content-type': 'application/json', 'content-length': body.length };
    const asked = request({ socketPath, path, method: 'POST', headers, signal, agent: false });
    asked.end(body);
    const answered = once(asked, 'response').then(([answer]) => answer as IncomingMessage);
    answered.catch(() => undefined);
    const pieces = async function* (): AsyncGenerator<Uint8Array> {
      yield* (await answered) as AsyncIterable<Buffer>;
    };
    return {
      task: Promise.resolve(ephemeralTaskId(1 as Epoch, ++this.asked)),
      ...({ question: 1, way: 'task' } as const),
      head: answered.then(({ statusCode = 0, headers: { 'content-type': contentType = '' } }) => ({
        status: statusCode,
        contentType,
      })),
      body: pieces(),
      result: answered.then(({ statusCode = 0 }) => ({ status: statusCode, firstMs: 0, restMs: 0 })),
    };
  }

  async models(): Promise<readonly ModelDocument[]> {
    const rest = { use: 'infer', owner: 'p-1', addedAt: 1, serving: { slotTokens }, instances: [] };
    // What of a model's document a list of models tells.
    return [...this.sockets.keys()].map((name) => ({ name, ...rest }) as unknown as ModelDocument);
  }

  private async serve(folder: string, name: string, { metadata, tensors }: TinyModel, ...more: string[]) {
    const model = join(folder, `${name}.gguf`);
    const socket = join(folder, `${name}.sock`);
    await writeGguf(model, metadata, tensors);
    const sizes = ['-c', String(slots * slotTokens), '-np', String(slots), '-t', '1'];
    const child = spawn(
      llamaProgram('llama-server'),
      ['-m', model, '--host', socket, ...sizes, '--no-ui', '--offline', ...more],
      { env: llamaEnvironment, stdio: ['ignore', 'ignore', 'pipe'] },
    );
    this.children.push(child);
    for await (const line of createInterface({ input: child.stderr }))
      if (line.includes('listening on')) break;
    child.stderr.resume();
    this.sockets.set(name, socket);
  }
}
