/** Before each end-to-end file: waits for its turn with the engine, unless it does nothing that another could notice. */
import { basename } from 'node:path';
import { beforeAll } from 'vitest';
import { takeTurn } from './engine-turns.ts';

/** Grids of their own, with no container or few, which are known by their grid alone. */
const besideOthers: ReadonlySet<string> = new Set(
  [
    'broker-moves',
    'cli-full-disk',
    'cli-up',
    'cli-usage',
    'client',
    'clock-jump',
    'crash',
    'frozen-wire',
    'gpu-overuse',
    'gpu-tasks',
    'hostile-frames',
    'hosts',
    'join',
    'journal-bodies',
    'journal-crash',
    'journal-full',
    'journal-stall',
    'model-choice',
    'model-swap',
    'node-drain',
    'node-remove',
    'operations',
    'pressure',
    'rag',
    'reconnect',
    'revoked-grants',
    'worker-restart',
  ].map((name) => `${name}.test.ts`),
);
/** As long as all the others may take. */
const patienceMs = 1_500_000;

// biome-ignore lint/correctness/noEmptyPattern: Vitest reads from the pattern which fixtures are asked for: none.
beforeAll(({}, { file }) => {
  if (!besideOthers.has(basename(file.filepath))) return takeTurn();
}, patienceMs);
