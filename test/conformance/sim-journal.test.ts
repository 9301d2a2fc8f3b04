/** The simulator's journal against the suite that the broker's own passes. */
import type { Folder } from '@gryphgen/broker';
import { systemAlarms } from '@gryphgen/runtime';
import { openSimJournal, SeededRandom, SimDisk } from '@gryphgen/testkit';
import { countingFolder, numbered } from './journal-place.ts';
import { journalConformance } from './journal-suite.ts';

journalConformance('simulated', async () => {
  const folder = (await import(countingFolder.href)) as Folder<unknown>;
  const disk = new SimDisk(new SeededRandom('conformance'), folder);
  return {
    exclusive: false,
    folder,
    open: async () => openSimJournal(disk, systemAlarms),
    records: numbered,
    fold: async () => disk.compact(),
    remove: async () => undefined,
  };
});
