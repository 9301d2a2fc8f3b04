/**
 * Chats with one llama-server, that of an instance: asked directly over its socket, through a bare proxy of Node, and through
 * the gateway and the grid behind it, in turns.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addModel, connect, readModelFile } from '@gryphgen/client';
import { createApiKey, loadIdentity, principalIdOf, runFolder, systemRandom } from '@gryphgen/runtime';
import { tinyLlama, writeGguf } from '@gryphgen/testkit';
import { llamaProgram } from '../conformance/llama-program.ts';
import { BenchProcess } from './bench-process.ts';
import type { Benchmark, Setting } from './benchmark.ts';
import { type ChatPlace, type ChatReport, chats, type StreamReport, streams } from './chat-load.ts';
import { measureCost } from './gateway-cost.ts';
import { type Daemons, measureMemory } from './gateway-memory.ts';
import { comparedRow, type Row } from './row.ts';
import { median } from './statistics.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const program = new URL('../../packages/cli/bin/grid.js', import.meta.url);
const concurrencies = [1, 8, 32];
const streamTokens = 100;
const slotTokens = 512;

export const gateway: Benchmark = {
  name: 'gateway',
  about:
    'chats through the gateway and the grid, beside the same llama-server asked directly and through a bare proxy',
  async run(setting) {
    mkdirSync(join(root, '.tmp'), { recursive: true });
    const home = mkdtempSync(join(root, '.tmp', 'bench-'));
    const running: BenchProcess[] = [];
    try {
      const { places, daemons, proxy } = await start(home, setting, running);
      const costings = [
        { place: places[1], processes: { proxy } },
        { place: places[2], processes: daemons },
      ];
      return [
        ...(await measure(setting, places)),
        ...(await measureCost(setting, costings)),
        ...(await measureMemory(setting, places[2], daemons)),
      ];
    } finally {
      for (const one of running.reverse()) await one.stop();
      rmSync(home, { recursive: true, force: true });
    }
  },
};

type Places = readonly [direct: ChatPlace, proxy: ChatPlace, gateway: ChatPlace];

async function start(
  home: string,
  { profileDir }: Setting,
  running: BenchProcess[],
): Promise<{ readonly places: Places; readonly daemons: Daemons; readonly proxy: BenchProcess }> {
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
  const { metadata, tensors } = tinyLlama();
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
  // There is an instance from its first answer on.
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

async function measure({ scale, say }: Setting, places: Places): Promise<readonly Row[]> {
  for (const place of places) {
    await chats(place, scale.chats, 4);
    await streams(place, Math.ceil(scale.chats / 20), streamTokens);
  }
  const rows: Row[] = [];
  for (const concurrency of concurrencies) {
    const [direct, ...others] = await inTurns(scale.rounds, places, (place) =>
      chats(place, scale.chats, concurrency),
    );
    const rate = rateOf(direct?.reports ?? []);
    for (const { place, reports } of others) {
      const name = `gateway.${place.name.replace(/^(the|a) /, '')}.requests.${concurrency}`;
      rows.push(comparedRow(name, rateOf(reports), 'requests/s', { name: 'llama-server', value: rate }));
    }
    say(`${concurrency} at a time: llama-server alone ${Math.round(rate)} requests/s`);
  }
  const [direct, ...others] = await inTurns(scale.rounds, places, (place) =>
    streams(place, Math.ceil(scale.chats / 10), streamTokens),
  );
  const alone = streamOf(direct?.reports ?? []);
  for (const { place, reports } of others) {
    const name = `gateway.${place.name.replace(/^(the|a) /, '')}`;
    const { first, tokens } = streamOf(reports);
    rows.push(comparedRow(`${name}.first.p50`, first, 'ms', { name: 'llama-server', value: alone.first }));
    rows.push(
      comparedRow(`${name}.tokens`, tokens, 'tokens/s', { name: 'llama-server', value: alone.tokens }),
    );
  }
  return rows;
}

/** What is compared takes turns: a machine that gets busy is busy for all. */
async function inTurns<R>(
  rounds: number,
  places: Places,
  run: (place: ChatPlace) => Promise<R>,
): Promise<readonly { readonly place: ChatPlace; readonly reports: readonly R[] }[]> {
  const found = places.map((place) => ({ place, reports: [] as R[] }));
  for (let round = 0; round < rounds; round++)
    for (const { place, reports } of found) reports.push(await run(place));
  return found;
}

function rateOf(reports: readonly ChatReport[]): number {
  return median(reports.map(({ perSecond }) => perSecond));
}

function streamOf(reports: readonly StreamReport[]): { readonly first: number; readonly tokens: number } {
  return {
    first: median(reports.map(({ firstP50Ms }) => firstP50Ms)),
    tokens: median(reports.map(({ tokensPerSecond }) => tokensPerSecond)),
  };
}
