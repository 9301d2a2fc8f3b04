/** What a chat costs: CPU of each process on its way, beside that of the bare proxy. */
import type { BenchProcess } from './bench-process.ts';
import type { Setting } from './benchmark.ts';
import { type ChatPlace, chats } from './chat-load.ts';
import { type Row, row } from './row.ts';
import { median } from './statistics.ts';

const concurrencies = [1, 8];

export interface Costing {
  readonly place: ChatPlace;
  readonly processes: Readonly<Record<string, BenchProcess>>;
}

/** Who is compared takes turns; of the rounds the middle one counts. */
export async function measureCost({ scale }: Setting, costings: readonly Costing[]): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const concurrency of concurrencies) {
    const found = new Map<string, number[]>();
    for (let round = 0; round < scale.rounds; round++)
      for (const { place, processes } of costings) {
        const before = used(processes);
        await chats(place, scale.chats, concurrency);
        for (const [name, us] of used(processes))
          found.set(name, [...(found.get(name) ?? []), (us - (before.get(name) ?? 0)) / scale.chats]);
      }
    for (const [name, each] of found)
      rows.push(row(`gateway.cost.${name}.${concurrency}`, median(each), 'µs/chat'));
  }
  return rows;
}

function used(processes: Costing['processes']): ReadonlyMap<string, number> {
  return new Map(
    Object.entries(processes).flatMap(([name, process]) => {
      const { cpuUs, cpuUsByThread } = process.use();
      return [
        [name, cpuUs],
        [`${name}.loop`, cpuUsByThread.get('main') ?? 0],
      ];
    }),
  );
}
