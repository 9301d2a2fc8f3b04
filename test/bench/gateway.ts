/**
 * Chats with one llama-server, that of an instance: asked directly over its socket, through a bare proxy of Node, and through
 * the gateway and the grid behind it, in turns.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type TinyModel, tinyLlama } from '@gryphgen/testkit';
import type { BenchProcess } from './bench-process.ts';
import type { Benchmark, Setting } from './benchmark.ts';
import { type ChatPlace, type ChatReport, chats, type StreamReport, streams } from './chat-load.ts';
import { measureCost } from './gateway-cost.ts';
import { type GatewayGrid, type Places, pinInstance, startGateway } from './gateway-grid.ts';
import { measureMemory } from './gateway-memory.ts';
import { comparedRow, type Row } from './row.ts';
import { median } from './statistics.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const concurrencies = [1, 8, 32];
const streamTokens = 100;
/** Of f16 with random weights: 144 MB, of which a core makes some 140 tokens a second. */
const largeSizes = { embedding: 768, layers: 8, feedForward: 3072 };
/** As many as it has slots at most: how its queue goes is the tiny one's. */
const largeConcurrencies = [1, 4];
/** A short answer, half a second. */
const largeTokens = 64;
/** Of the chats and streams of the tiny one. */
const largeShare = 1 / 25;

export const gateway: Benchmark = {
  name: 'gateway',
  about:
    'chats through the gateway and the grid, beside the same llama-server asked directly and through a bare proxy',
  run: (setting) =>
    withGrid(setting, tinyLlama(), async ({ places, daemons, proxy }) => {
      const costings = [
        { place: places[1], processes: { proxy } },
        { place: places[2], processes: daemons },
      ];
      return [
        ...(await measure(setting, places, {
          name: 'gateway',
          concurrencies,
          count: setting.scale.chats,
          tokens: 1,
        })),
        ...(await measureCost(setting, costings)),
        ...(await measureMemory(setting, places[2], daemons)),
      ];
    }),
};

export const gatewayLarge: Benchmark = {
  name: 'gateway-large',
  about: 'the same with a model of 144 MB on a core of its own',
  run: (setting) =>
    withGrid(setting, tinyLlama(largeSizes), async ({ places }, home) => {
      pinInstance(home, availableParallelism());
      const count = Math.ceil(setting.scale.chats * largeShare);
      return measure(setting, places, {
        name: 'gateway.large',
        concurrencies: largeConcurrencies,
        count,
        tokens: largeTokens,
      });
    }),
};

async function withGrid(
  setting: Setting,
  model: TinyModel,
  run: (grid: GatewayGrid, home: string) => Promise<readonly Row[]>,
): Promise<readonly Row[]> {
  mkdirSync(join(root, '.tmp'), { recursive: true });
  const home = mkdtempSync(join(root, '.tmp', 'bench-'));
  const running: BenchProcess[] = [];
  try {
    return await run(await startGateway(home, setting, running, model), home);
  } finally {
    for (const one of running.reverse()) await one.stop();
    rmSync(home, { recursive: true, force: true });
  }
}

interface Load {
  /** Of its rows, before what they are of. */
  readonly name: string;
  readonly concurrencies: readonly number[];
  /** Of chats at a time; there are fewer streams. */
  readonly count: number;
  /** Of each of those chats. */
  readonly tokens: number;
}

async function measure(
  { scale, say }: Setting,
  places: Places,
  { name: prefix, concurrencies, count, tokens: chatTokens }: Load,
): Promise<readonly Row[]> {
  for (const place of places) {
    await chats(place, count, 4);
    await streams(place, Math.ceil(count / 20), streamTokens);
  }
  const rows: Row[] = [];
  for (const concurrency of concurrencies) {
    const [direct, ...others] = await inTurns(scale.rounds, places, (place) =>
      chats(place, count, concurrency, chatTokens),
    );
    const rate = rateOf(direct?.reports ?? []);
    for (const { place, reports } of others) {
      const name = `${prefix}.${nameOf(place)}.requests.${concurrency}`;
      rows.push(comparedRow(name, rateOf(reports), 'requests/s', { name: 'llama-server', value: rate }));
    }
    say(`${concurrency} at a time: llama-server alone ${Math.round(rate)} requests/s`);
  }
  const [direct, ...others] = await inTurns(scale.rounds, places, (place) =>
    streams(place, Math.ceil(count / 10), streamTokens),
  );
  const alone = streamOf(direct?.reports ?? []);
  for (const { place, reports } of others) {
    const name = `${prefix}.${nameOf(place)}`;
    const { first, tokens } = streamOf(reports);
    rows.push(comparedRow(`${name}.first.p50`, first, 'ms', { name: 'llama-server', value: alone.first }));
    rows.push(
      comparedRow(`${name}.tokens`, tokens, 'tokens/s', { name: 'llama-server', value: alone.tokens }),
    );
  }
  return rows;
}

function nameOf({ name }: ChatPlace): string {
  return name.replace(/^(the|a) /, '');
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
