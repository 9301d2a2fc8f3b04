/** What is shown of a model that is brought: from the web to this machine, and from there to the grid. */
import { basename } from 'node:path';
import { type FetchedModel, fetchModel, type ModelSource } from '@gryphgen/client';
import { formatBytes } from '@gryphgen/protocol';
import { ProgressLines } from '../images/progress-lines.ts';
import { printable } from '../printable.ts';
import { transferBar } from '../render/transfer-view.ts';
import type { Terminal } from '../terminal.ts';
import { fetchShown } from './fetch-shown.ts';

export function fetchedModel(
  terminal: Terminal,
  source: ModelSource,
  home: string,
  sha256s: readonly string[],
): Promise<FetchedModel> {
  return fetchShown(terminal, ({ signal, onPart, onMoved }) =>
    fetchModel(source, {
      ...{ home, env: terminal.env, sha256s, signal, onMoved },
      onPart: (name, part, parts) => onPart(parts === 1 ? name : `${name} (${part} of ${parts})`),
    }),
  );
}

/** Hashing and sending gigabytes takes its time: it is shown. */
export async function withProgress<T>(
  terminal: Terminal,
  path: string,
  work: (options: {
    onRead: (bytes: number) => void;
    onMoved: (bytes: number, of: number) => void;
  }) => Promise<T>,
): Promise<T> {
  const name = printable(basename(path));
  const [read, moved] = [{ bytes: 0 }, { bytes: 0, of: 0, sinceMs: 0 }];
  const lines = new ProgressLines(terminal, () => [
    moved.of === 0
      ? `${name}  ${formatBytes(read.bytes)} looked at`
      : `${name}  ${transferBar(moved.bytes, moved.of, performance.now() - moved.sinceMs)}`,
  ]);
  try {
    return await work({
      onRead: (bytes) => Object.assign(read, { bytes }),
      onMoved: (bytes, of) =>
        Object.assign(moved, { bytes, of, sinceMs: moved.sinceMs || performance.now() }),
    });
  } finally {
    lines.wipe();
  }
}
