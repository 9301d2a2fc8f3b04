/** Before each end-to-end file: waits for its turn with the engine, unless it does nothing that another could notice. */
import { beforeAll } from 'vitest';
import { needsTurn } from './beside-others.ts';
import { takeTurn } from './engine-turns.ts';

/** As long as all the others may take. */
const patienceMs = 1_500_000;

// biome-ignore lint/correctness/noEmptyPattern: Vitest reads from the pattern which fixtures are asked for: none.
beforeAll(({}, { file }) => {
  if (needsTurn(file.filepath)) return takeTurn();
}, patienceMs);
