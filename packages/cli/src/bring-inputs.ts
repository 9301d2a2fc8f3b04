/** The files a task is given: looked at before it is submitted, and brought to the grid, where they are not there yet. */
import { realpath } from 'node:fs/promises';
import { basename } from 'node:path';
import { type ArtifactAsker, bringArtifact, type LocalInput } from '@gryphgen/client';
import { formatBytes, GridError } from '@gryphgen/protocol';
import { type Scanned, type ScanOptions, scanPath } from '@gryphgen/runtime';
import { ProgressLines } from './images/progress-lines.ts';
import { printable } from './printable.ts';
import { UsageError } from './problem.ts';
import { transferBar } from './render/transfer-view.ts';
import type { Terminal } from './terminal.ts';

/** What each of them is. A path that is a link is what it leads to. Throws UsageError for what cannot be given. */
export async function scanInputs(
  terminal: Terminal,
  inputs: readonly LocalInput[],
  options: Pick<ScanOptions, 'passOver'> = {},
): Promise<readonly Scanned[]> {
  const found: Scanned[] = [];
  for (const { from } of inputs) {
    const [name, read] = [printable(basename(from)), { bytes: 0 }];
    const lines = new ProgressLines(terminal, () => [`${name}  ${formatBytes(read.bytes)} looked at`]);
    const onRead = (bytes: number): void => {
      read.bytes = bytes;
    };
    const path = await realpath(from).catch(() => from);
    const scanned = await scanPath(path, { ...options, onRead }).finally(() => lines.wipe());
    if ('code' in scanned) throw new UsageError(scanned.message);
    found.push(scanned);
  }
  return found;
}

/** Resolves when the grid has them all. */
export async function bringInputs(
  client: ArtifactAsker,
  terminal: Terminal,
  inputs: readonly LocalInput[],
  found: readonly Scanned[],
): Promise<void> {
  const each = [...found.entries()];
  // The first may have lain there for long when the last has come. Bringing what is there counts as its use: it stays
  // until the task names it.
  for (const [index, scanned] of [...each, ...each.slice(0, -1)]) {
    const from = inputs[index]?.from ?? '';
    const begunMs = performance.now();
    const moved = { bytes: 0, of: 0 };
    const name = printable(basename(from));
    const bar = (): string => transferBar(moved.bytes, moved.of, performance.now() - begunMs);
    const lines = new ProgressLines(terminal, () => [`${name}  ${bar()}`]);
    const onMoved = (bytes: number, of: number): void => void Object.assign(moved, { bytes, of });
    try {
      await bringArtifact(client, scanned, { onMoved });
    } catch (error) {
      if (!(error instanceof GridError)) throw error;
      throw new GridError({
        ...error.failure,
        message: `${from} cannot be brought to the grid: ${error.message}`,
      });
    } finally {
      lines.wipe();
    }
  }
}
