/** What comes from the web, as a person sees it come. */
import { interruptedExit } from '../exit-codes.ts';
import { onInterrupt } from '../follow.ts';
import { ProgressLines } from '../images/progress-lines.ts';
import { printable } from '../printable.ts';
import { Exit } from '../problem.ts';
import { transferBar } from '../render/transfer-view.ts';
import type { Terminal } from '../terminal.ts';

export interface ShownFetch {
  readonly signal: AbortSignal;
  /** A file begins. */
  readonly onPart: (name: string) => void;
  /** 0 of what nobody says how large it is. */
  readonly onMoved: (bytes: number, of: number) => void;
}

/** Ctrl-C ends it; what has come stays for another try. */
export async function fetchShown<T>(terminal: Terminal, work: (fetch: ShownFetch) => Promise<T>): Promise<T> {
  const stop = new AbortController();
  const forget = onInterrupt(() => {
    terminal.err('\nthe same command goes on with what has come\n');
    stop.abort(new Exit(interruptedExit));
  });
  const shown = { name: '', bytes: 0, of: 0, sinceMs: 0 };
  const lines = new ProgressLines(terminal, () => {
    const { name, bytes, of, sinceMs } = shown;
    return name === ''
      ? []
      : [`${printable(name)}  ${transferBar(bytes, of || bytes, performance.now() - sinceMs)}`];
  });
  try {
    return await work({
      signal: stop.signal,
      onPart: (name) => Object.assign(shown, { name, bytes: 0, of: 0, sinceMs: performance.now() }),
      onMoved: (bytes, of) => Object.assign(shown, { bytes, of }),
    });
  } finally {
    lines.wipe();
    forget();
  }
}
