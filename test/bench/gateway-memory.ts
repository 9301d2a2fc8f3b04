/** What a gateway and the grid behind it hold: many streams at a time, and of many requests one after the other. */
import type { BenchProcess } from './bench-process.ts';
import type { Setting } from './benchmark.ts';
import { type ChatPlace, chats, heldStreams } from './chat-load.ts';
import { comparedRow, type Row, row } from './row.ts';

const MiB = 1024 ** 2;
const heldTokens = 16;
const concurrency = 32;
/** Looks at what is resident, in words. */
const parts = 5;

export type Daemons = Readonly<Record<'gateway' | 'broker' | 'worker', BenchProcess>>;

export async function measureMemory(
  { scale, say }: Setting,
  place: ChatPlace,
  daemons: Daemons,
): Promise<readonly Row[]> {
  const resident = () =>
    Object.entries(daemons).map(([name, daemon]) => ({ name, MiBs: daemon.use().residentBytes / MiB }));
  await chats(place, scale.chatsBefore, concurrency);
  const idle = resident();
  const { most, seconds, atMost } = await heldStreams(place, scale.heldStreams, heldTokens, resident);
  say(`${most} streams at a time ended in ${seconds.toFixed(1)} s`);
  const rows = [row('gateway.held', most, 'streams')];
  for (const [nth, { name, MiBs }] of atMost.entries())
    rows.push(
      comparedRow(`gateway.held.${name}`, MiBs, 'MiB', { name: 'idle', value: idle[nth]?.MiBs ?? 0 }),
    );
  await chats(place, scale.chatsSettled, concurrency);
  const before = resident();
  for (let part = 1; part <= parts; part++) {
    await chats(place, Math.ceil(scale.chatsHeld / parts), concurrency);
    say(
      `${part}/${parts}: ${resident()
        .map(({ name, MiBs }) => `${name} ${MiBs.toFixed(1)} MiB`)
        .join(', ')}`,
    );
  }
  for (const [nth, { name, MiBs }] of resident().entries())
    rows.push(
      comparedRow(`gateway.memory.${name}`, MiBs, 'MiB', { name: 'before', value: before[nth]?.MiBs ?? 0 }),
    );
  return rows;
}
