/** What is shown of a model that is brought: from the web to this machine, and from there to the grid. */
import { basename } from 'node:path';
import { type FetchedModel, fetchModel, type ModelSource } from '@gryphgen/client';
import { formatBytes } from '@gryphgen/protocol';
import { interruptedExit } from '../exit-codes.ts';
import { onInterrupt } from '../follow.ts';
import { ProgressLines } from '../images/progress-lines.ts';
import { printable } from '../printable.ts';
import { Exit } from '../problem.ts';
import { transferBar } from '../render/transfer-view.ts';
import type { Terminal } from '../terminal.ts';

/** Ctrl-C ends it; what has come stays for another try. */
export async function fetchedModel(
  terminal: Terminal,
  source: ModelSource,
  home: string,
  sha256s: readonly string[],
): Promise<FetchedModel> {
  const stop = new AbortController();
  const forget = onInterrupt(() => {
    terminal.err('\nthe same command goes on with what has come\n');
    stop.abort(new Exit(interruptedExit));
  });
  const shown = { name: '', bytes: 0, of: 0, sinceMs: 0 };
  const lines = new ProgressLines(terminal, () =>
    shown.name === ''
      ? []
      : [
          `${printable(shown.name)}  ${transferBar(shown.bytes, shown.of || shown.bytes, performance.now() - shown.sinceMs)}`,
        ],
  );
  try {
    return await fetchModel(source, {
      ...{ home, env: terminal.env, sha256s, signal: stop.signal },
      onPart: (name, part, parts) =>
        Object.assign(shown, {
          name: parts === 1 ? name : `${name} (${part} of ${parts})`,
          ...{ bytes: 0, of: 0, sinceMs: performance.now() },
        }),
      onMoved: (bytes, of) => Object.assign(shown, { bytes, of }),
    });
  } finally {
    lines.wipe();
    forget();
  }
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
