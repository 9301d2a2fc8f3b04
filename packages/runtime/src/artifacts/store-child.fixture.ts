/** A process of its own that brings a file into a store, says `half` when half of it was taken, and goes on. */
import { systemClock } from '../clock.ts';
import { Pieces } from './pieces.ts';
import { readPieces } from './read-pieces.ts';
import { scanPath } from './scan-path.ts';
import { ArtifactStore } from './store.ts';

const [folder = '', path = ''] = process.argv.slice(2);
const store = await ArtifactStore.open({
  folder,
  budgetBytes: 2 ** 30,
  clock: systemClock,
  held: () => new Set(),
});
const found = await scanPath(path);
if ('code' in found) throw new Error(found.message);
const { manifest, sources } = found;
const intake = await store.begin(manifest);
if (intake === null || 'code' in intake) throw new Error('nothing to bring');
const pieces = new Pieces(manifest);
const numbers = (pieces.numbers(intake.runs) ?? []).map((number) => pieces.piece(number));
for await (const bytes of readPieces(numbers, (id) => sources.get(id) ?? '')) {
  await intake.take(bytes);
  // Whoever reads this kills it; it must not end by itself.
  if (intake.takenBytes >= manifest.bytes / 2) {
    process.stdout.write('half\n');
    await new Promise((resolve) => setTimeout(resolve, 60_000));
  }
}
