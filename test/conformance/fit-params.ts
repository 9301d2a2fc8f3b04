/**
 * llama.cpp's own word on what a model takes: `llama-fit-params -fitp on`, with the host's memory and that of up to two
 * ggml-rpc-servers as devices. No weights are read.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { promisify } from 'node:util';
import { llamaEnvironment as env, llamaProgram } from './llama-program.ts';

const run = promisify(execFile);

/** MiB, rounded down: of weights, of what is kept of the past, and of computing. */
export interface FittedUse {
  readonly device: string;
  readonly weights: number;
  readonly cache: number;
  readonly compute: number;
}

/** The host last. */
export async function fitParams(model: string, options: readonly string[]): Promise<readonly FittedUse[]> {
  // -nr: repacked weights are not among the host's.
  const { stdout } = await run(
    llamaProgram('llama-fit-params'),
    ['-m', model, '-fitp', 'on', '-nr', ...options],
    {
      env,
    },
  );
  return stdout
    .trim()
    .split('\n')
    .map((line) => {
      const [, device = '', ...numbers] = /^(\w+) ([0-9]+) ([0-9]+) ([0-9]+) *$/.exec(line) ?? [];
      const [weights, cache, compute] = numbers.map(Number);
      if (weights === undefined || cache === undefined || compute === undefined)
        throw new Error(`llama-fit-params says: ${line}`);
      return { device, weights, cache, compute };
    });
}

/** A device that others reach over TCP: HOST:PORT for `--rpc`. */
export interface RpcDevice {
  readonly address: string;
  readonly stop: () => Promise<void>;
}

/** It cannot say which port it took: one is looked for, and another when somebody was faster. */
export async function startRpcDevice(): Promise<RpcDevice> {
  for (;;) {
    const port = await freePort();
    const child = spawn(llamaProgram('ggml-rpc-server'), ['-p', String(port), '-t', '1'], {
      env,
      stdio: 'ignore',
    });
    const stop = async (): Promise<void> => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    };
    if (await accepts(port, child)) return { address: `127.0.0.1:${port}`, stop };
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** False when the server ended instead. */
async function accepts(port: number, child: ChildProcess): Promise<boolean> {
  while (child.exitCode === null) {
    const socket = connect(port, '127.0.0.1');
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    });
    socket.destroy();
    if (isOpen) return true;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return false;
}
