/**
 * Where a command speaks. stdout belongs to answers, stderr to progress; colour only where a person looks (a TTY) and
 * has not asked for none (`NO_COLOR`, `TERM=dumb`).
 */
import type { Writable } from 'node:stream';

export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A person reads stdout. */
  readonly isTty: boolean;
  /** Where lines are cut; never in a pipe. */
  readonly columns: number;
  /** Lines that a person sees at once. */
  readonly rows: number;
  readonly style: Style;
  /** Where progress may be drawn over what stands there: the columns of stderr; null where no person looks at it. */
  readonly progressColumns: number | null;
  out(text: string): void;
  /** Bytes as they are, waiting for a slow reader. */
  outBytes(bytes: Uint8Array): Promise<void>;
  err(text: string): void;
  errBytes(bytes: Uint8Array): Promise<void>;
}

export interface Style {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly red: (text: string) => string;
  readonly green: (text: string) => string;
  readonly yellow: (text: string) => string;
  readonly cyan: (text: string) => string;
}

export type TerminalStream = Writable & {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
};

/** A terminal that does not say how large it is. */
const plainColumns = 120;
const plainRows = 24;

export function openTerminal(stdout: TerminalStream, stderr: TerminalStream, env: Terminal['env']): Terminal {
  const isTty = stdout.isTTY === true;
  return {
    env,
    isTty,
    get columns() {
      return isTty ? stdout.columns || plainColumns : Number.POSITIVE_INFINITY;
    },
    get rows() {
      return isTty ? stdout.rows || plainRows : Number.POSITIVE_INFINITY;
    },
    get progressColumns() {
      return stderr.isTTY === true && env.TERM !== 'dumb' ? stderr.columns || plainColumns : null;
    },
    style: styleOf(isTty && !env.NO_COLOR && env.TERM !== 'dumb'),
    out: (text) => void stdout.write(text),
    outBytes: (bytes) => writeAll(stdout, bytes),
    err: (text) => void stderr.write(text),
    errBytes: (bytes) => writeAll(stderr, bytes),
  };
}

export function styleOf(color: boolean): Style {
  const wrap = (open: number, close: number) => (text: string) =>
    color && text !== '' ? `\u001b[${open}m${text}\u001b[${close}m` : text;
  return {
    bold: wrap(1, 22),
    dim: wrap(2, 22),
    red: wrap(31, 39),
    green: wrap(32, 39),
    yellow: wrap(33, 39),
    cyan: wrap(36, 39),
  };
}

/** One document; on a terminal so that a person can read it, in a pipe on one line so that tools can. */
export function printJson(terminal: Terminal, document: unknown): void {
  terminal.out(`${JSON.stringify(document, undefined, terminal.isTty ? 2 : undefined)}\n`);
}

/** One line of a stream of documents. */
export function printJsonLine(terminal: Terminal, document: unknown): void {
  terminal.out(`${JSON.stringify(document)}\n`);
}

function writeAll(stream: TerminalStream, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
}
