/**
 * A process that appends to the journal in its folder until it is killed, and prints each number that was acknowledged.
 * The test reads the numbers and kills it.
 */
import { openJournal } from '@gryphgen/broker';

const [dir, size] = [process.argv[2], Number(process.argv[3])];
const { journal, groups, findings } = await openJournal({
  dir,
  folder: new URL('../conformance/counting-folder.mjs', import.meta.url),
  program: '0.1.0',
  holder: `writer ${process.pid}`,
  wallMs: Date.now(),
  onTrouble: (error) => console.error(error),
  settings: { foldGroups: 50, snapshotGroups: 100, compactRows: 16, checkpointPages: 64 },
});
for (const { what } of findings) console.error(what);
let last = 0;
for await (const { records } of groups) last = Number.parseInt(Buffer.from(records).toString(), 10);
let next = Math.max(last, journal.head().seq) + 1;
process.stdout.write(`open ${journal.epoch} ${journal.head().seq}\n`);
for (;;) {
  const records = Buffer.from(`${next} ${'.'.repeat(size)}`);
  const { seq } = await journal.append({ records, blobs: [] });
  process.stdout.write(`${seq}\n`);
  next += 1;
}
