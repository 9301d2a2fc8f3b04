/** Which end-to-end files may run beside any other, and which take long. */
import { basename } from 'node:path';

/** Grids of their own, with no container or few, which are known by their grid alone; or an engine of their own. */
const besideOthers: ReadonlySet<string> = new Set(
  [
    'broker-moves',
    'cli-full-disk',
    'cli-up',
    'cli-usage',
    'client',
    'clock-jump',
    'crash',
    'engine-crash',
    'frozen-wire',
    'gateway',
    'gateway-delegate',
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
    'models',
    'node-drain',
    'node-remove',
    'operations',
    'pressure',
    'rag',
    'rag-sources',
    'reconnect',
    'revoked-grants',
    'worker-restart',
  ].map((name) => `${name}.test.ts`),
);
/** Those that take longest of either kind. */
const long: ReadonlySet<string> = new Set(
  [
    'bench-smoke',
    'cli-full-disk',
    'cli-tasks',
    'cli-up',
    'crash',
    'engine-crash',
    'exec',
    'hosts',
    'image-push',
    'images',
    'journal-bodies',
    'model-swap',
    'models',
    'pressure',
    'rag',
    'services',
  ].map((name) => `${name}.test.ts`),
);

/** What it does with the engine another could notice. */
export function needsTurn(path: string): boolean {
  return !besideOthers.has(basename(path));
}

export function isLong(path: string): boolean {
  return long.has(basename(path));
}
