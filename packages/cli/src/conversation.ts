/**
 * This terminal and a command elsewhere: keys and bytes there, its output here, until it has ended.
 *
 * 1. A terminal in raw mode is put back as it was, however this ends: it would be of no use to the shell that follows.
 * 2. A signal to this program ends the session, and with it the command.
 */
import { spawnSync } from 'node:child_process';
import { StringDecoder } from 'node:string_decoder';
import type { DuplexSession, TransferEnd } from '@gryphgen/runtime';
import { type EndSignal, endSignals } from './exit-codes.ts';
import { printJsonLine, type Terminal } from './terminal.ts';

export interface ConversationStyle {
  /** The command reads what comes here. */
  readonly interactive: boolean;
  /** It has a terminal, and this one is its other end. */
  readonly tty: boolean;
  /** Output as lines of {"stream", "text"}. */
  readonly json: boolean;
}

export interface ConversationEnd {
  /** What ended this program, if something did. */
  readonly signal: EndSignal | undefined;
  readonly end: TransferEnd;
}

/** Of a terminal that does not say. */
const usualSize = { columns: 80, rows: 24 };

export function sizeOf({ isTTY, columns, rows }: NodeJS.WriteStream): typeof usualSize {
  return isTTY && columns > 0 && rows > 0 ? { columns, rows } : usualSize;
}

export async function converse(
  session: DuplexSession,
  terminal: Terminal,
  { interactive, tty, json }: ConversationStyle,
): Promise<ConversationEnd> {
  const { stdin, stdout } = process;
  const undo: (() => void)[] = [];
  let signal: EndSignal | undefined;
  try {
    undo.push(
      onEndSignal((name) => {
        signal = name;
        void session.close();
      }),
    );
    if (tty) {
      undo.push(rawMode(stdin));
      const resize = (): void => session.resize(sizeOf(stdout));
      stdout.on('resize', resize);
      undo.push(() => stdout.off('resize', resize));
      // It may have changed while the command was begun.
      resize();
    }
    if (interactive) undo.push(sendInput(stdin, session));
    await (json ? printLines(session, terminal) : print(session, terminal));
    return { signal, end: await session.ended };
  } finally {
    for (const each of undo.reverse()) each();
    await session.close();
  }
}

async function print(session: DuplexSession, terminal: Terminal): Promise<void> {
  for await (const { stream, bytes } of session.output())
    await (stream === 'stdout' ? terminal.outBytes(bytes) : terminal.errBytes(bytes));
}

async function printLines(session: DuplexSession, terminal: Terminal): Promise<void> {
  // A piece may end within a character.
  const decoders = { stdout: new StringDecoder('utf8'), stderr: new StringDecoder('utf8') };
  const say = (stream: keyof typeof decoders, text: string): void => {
    if (text !== '') printJsonLine(terminal, { stream, text });
  };
  for await (const { stream, bytes } of session.output())
    say(stream, decoders[stream].write(Buffer.from(bytes)));
  for (const stream of ['stdout', 'stderr'] as const) say(stream, decoders[stream].end());
}

/** Returns how to put it back; also done when the program exits in any other way. */
function rawMode(stdin: NodeJS.ReadStream): () => void {
  const was = stdin.isRaw;
  const restore = (): void => {
    process.off('exit', restore);
    stdin.setRawMode(was);
  };
  process.on('exit', restore);
  stdin.setRawMode(true);
  // Node leaves lines to be ended anew on their way out: a screen that the command draws would be torn.
  spawnSync('stty', ['-opost'], { stdio: ['inherit', 'ignore', 'ignore'] });
  return restore;
}

/** At the pace the command takes it. Returns how to stop. */
function sendInput(stdin: NodeJS.ReadStream, session: DuplexSession): () => void {
  let stopped = false;
  const send = async (bytes: Buffer): Promise<void> => {
    stdin.pause();
    if ((await session.write(bytes)) && !stopped) stdin.resume();
  };
  const onData = (bytes: Buffer): void => void send(bytes);
  const onEnd = (): void => session.endInput();
  stdin.on('data', onData).on('end', onEnd).on('error', onEnd);
  return () => {
    stopped = true;
    stdin.off('data', onData).off('end', onEnd);
    stdin.pause();
  };
}

/** The first asks; the second finds nobody who listens, and ends the program by itself. */
export function onEndSignal(ask: (name: EndSignal) => void): () => void {
  for (const name of endSignals) process.once(name, ask);
  return () => {
    for (const name of endSignals) process.off(name, ask);
  };
}
