/** A grid with a gateway and one model, and the three ways to ask that one's llama-server. It ends with its benchmark. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { addModel, connect, readModelFile } from '@gryphgen/client';
import { createApiKey, loadIdentity, principalIdOf, runFolder, systemRandom } from '@gryphgen/runtime';
import { type TinyModel, writeGguf } from '@gryphgen/testkit';
import { llamaProgram } from '../conformance/llama-program.ts';
import { BenchProcess } from './bench-process.ts';
import type { Setting } from './benchmark.ts';
import { type ChatPlace, chats } from './chat-load.ts';
import type { Daemons } from './gateway-memory.ts';

const program = new URL('../../packages/cli/bin/grid.js', import.meta.url);
const slotTokens = 512;

export type Places = readonly [direct: ChatPlace, proxy: ChatPlace, gateway: ChatPlace];

export interface GatewayGrid {
  readonly places: Places;
  readonly daemons: Daemons;
  readonly proxy: BenchProcess;
}

/** There is an instance from here on. What was started is in `running`, also when this fails. */
export async function startGateway(
  home: string,
  { profileDir }: Setting,
  running: BenchProcess[],
  { metadata, tensors }: TinyModel,
): Promise<GatewayGrid> {
  const env = {
    GRID_HOME: home,
    GRID_LOG_LEVEL: 'warn',
    GRID_GATEWAY_LISTEN: '127.0.0.1:0',
    GRID_LLAMA_SERVER: llamaProgram('llama-server'),
  };
  const spawn = (name: string, file: URL, args: readonly string[], imports: readonly string[] = []) => {
    const profile =
      profileDir === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${join(profileDir, name)}`];
    const spawned = new BenchProcess({ name, file, args, execArgv: [...profile, ...imports], env });
    running.push(spawned);
    return spawned;
  };
  const broker = spawn('broker', program, ['broker']);
  await broker.hear('ready');
  const worker = spawn('worker', program, ['worker']);
  await worker.hear('ready');
  const gatewayProcess = spawn('gateway', program, ['gateway']);
  const { details } = await gatewayProcess.hear<{
    readonly kind: 'ready';
    readonly details: { readonly url: string };
  }>('ready');
  const file = join(home, 'tiny.gguf');
  await writeGguf(file, metadata, tensors);
  const client = await connect({ home });
  const settings = { slotTokens, slots: 4 };
  await addModel(client, 'tiny', await readModelFile(file), settings).finally(() => client.close());
  const wish = {
    ...{ name: 'bench', role: 'submitter' as const, scopes: ['infer' as const], createdAt: 0 },
    principal: principalIdOf(loadIdentity(home, 'admin').key),
  };
  const { key } = await createApiKey(home, wish, systemRandom);
  const { hostname: host, port } = new URL(details.url);
  const through: ChatPlace = { name: 'the gateway', at: { host, port: Number(port) }, apiKey: key };
  await chats(through, 1, 1);
  const { socketPath, apiKey } = instanceOf(home);
  const bare = new URL('./processes/bare-proxy.ts', import.meta.url);
  const proxy = spawn('proxy', bare, [socketPath, apiKey], ['--import', 'tsx']);
  const { port: proxyPort } = await proxy.hear<{ readonly kind: 'ready'; readonly port: number }>('ready');
  const places = [
    { name: 'llama-server', at: { socketPath }, apiKey },
    { name: 'a proxy', at: { host: '127.0.0.1', port: proxyPort }, apiKey: '' },
    through,
  ] as const;
  return { places, daemons: { gateway: gatewayProcess, broker, worker }, proxy };
}

/** Where the one instance of this home's worker answers, and by which key. */
function instanceOf(home: string): { readonly socketPath: string; readonly apiKey: string } {
  const sockets = readdirSync(runFolder(home)).filter((name) => /^m-.*\.sock$/.test(name));
  const folders = readdirSync(join(home, 'worker', 'instances'));
  const [[socket], [folder]] = [sockets, folders];
  if (socket === undefined || folder === undefined) throw new Error(`${home} has no instance`);
  const apiKey = readFileSync(join(home, 'worker', 'instances', folder, 'api-key'), 'utf8').trim();
  return { socketPath: join(runFolder(home), socket), apiKey };
}

/** All threads of this home's llama-server on the machine's last core: what runs beside it has the others. */
export function pinInstance(home: string, cores: number): void {
  const { socketPath } = instanceOf(home);
  const pid = readdirSync('/proc').find(
    (name) => /^\d+$/.test(name) && argumentsOf(name).includes(socketPath) && isLlama(name),
  );
  if (pid === undefined) throw new Error(`nothing answers at ${socketPath}`);
  execFileSync('taskset', ['--all-tasks', '--cpu-list', '--pid', String(cores - 1), pid], {
    stdio: 'ignore',
  });
}

function isLlama(pid: string): boolean {
  return readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('llama');
}

/** None of a process that has ended. */
function argumentsOf(pid: string): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}
