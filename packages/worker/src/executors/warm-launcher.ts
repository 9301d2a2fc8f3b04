/**
 * What is said to the shell that waits in a warm container, and what it answers.
 *
 * 1. It gets one order, on its stdin, and runs it only when it has read all of it: the order is one compound command, and
 *    half of one is a syntax error.
 * 2. What a user wrote is data: it stands in single quotes, in which a shell knows no other character than the quote.
 * 3. The command is the child of a docker-init of its own, as in a container that was made for it: its words where it
 *    cannot run, its exit codes, and signals for the command alone. (The container's first process sends them to the
 *    group of the shell, which passes over them, and of that docker-init; the command has a group of its own.)
 * 4. When the command has ended, all that it left is killed before the end is told, on both streams, after the last byte.
 * 5. What the kernel killed for want of memory is counted by its control group; the shell tells that number, since the
 *    engine hears of it on another way than of the end, and forgets what it hears later.
 * 6. After a success that its words tell (without devices) it lives until its stdin ends: when the engine is to be busy with
 *    the end is for this worker to say.
 */
import type { LabelledBytes } from './docker-engine.ts';
import type { OutputReader } from './output-copy.ts';

export const shell = '/bin/sh';
const init = '/sbin/docker-init';
/** Of the container's first process: to which of its children it passes signals on. */
export const signalsToGroup = { TINI_KILL_PROCESS_GROUP: '1' } as const;
/** The shell and the second docker-init. */
export const ownProcesses = 2;
/** Of one order: a kernel takes more, and a shell that reads byte by byte takes its time. */
const maxOrderBytes = 512 * 1024;

/** By number, since shells differ in the names they know; those a task may name, and no others. */
const signalNumbers: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGUSR2: 12,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGWINCH: 28,
  SIGPWR: 30,
  'SIGRTMIN+3': 37,
};
const kill = 9;

/** Variables that some shell keeps to itself: what is set there is not what the command would get. */
const ofShells =
  /^(?:_|BASH.*|COMP_.*|DIRSTACK|E?UID|EPOCH.*|FUNCNAME|GROUPS|HISTCMD|LINENO|OLDPWD|OPT(?:ARG|ERR|IND)|PIPESTATUS|PPID|PWD|S?RANDOM|SECONDS|SHELLOPTS|SHLVL|TINI_.*)$/;

export interface LaunchOrder {
  /** Not empty. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly stopSignal: string;
  readonly hasDevices: boolean;
}

/** In words why a shell cannot be given this; null when it can. */
export function whyNotLaunched(order: LaunchOrder): string | null {
  const { argv, env, stopSignal } = order;
  if (argv.length === 0) return 'neither it nor its image names a command';
  if (signalNumbers[stopSignal] === undefined) return `its stop signal is ${stopSignal}`;
  for (const name of Object.keys(env))
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || ofShells.test(name))
      return `no shell can pass on the variable ${name}`;
  if ([...argv, ...Object.values(env)].some((text) => text.includes('\0')))
    return 'its command holds a NUL character';
  return Buffer.byteLength(orderText(order)) > maxOrderBytes
    ? 'its command and environment are too long'
    : null;
}

/**
 * The first words to the shell: all that no order changes, so that it has read that before there is a task. It answers when
 * it is there, and can launch.
 */
export function greeting(nonce: string): string {
  const lines = [
    'begun() {',
    // What the shell itself has to say is nobody's output.
    'exec 3>&2 2>/dev/null',
    `unset ${Object.keys(signalsToGroup).join(' ')} OLDPWD SHLVL`,
    `echo ${begunWords(nonce)}`,
    '}',
    'ended() {',
    `kill -${kill} -1`,
    'kills=0',
    ...countOfKills,
    `echo ${endedWords(nonce)} "$1" "$kills"; echo ${endedWords(nonce)} "$1" "$kills" >&3`,
    '[ "$1" != 0 ] || [ "$2" != rest ] || read -r rest',
    'exit "$1"',
    '}',
    `[ -x ${init} ] && echo ${readyWords(nonce)}`,
  ];
  return `${lines.join('\n')}\n`;
}

/** For a shell that was greeted. */
export function orderText({ argv, env, stopSignal, hasDevices }: LaunchOrder): string {
  const signal = signalNumbers[stopSignal] ?? kill;
  const variables = Object.entries(env).map(([name, value]) => `${name}=${quoted(value)}`);
  const lines = [
    '{',
    'begun',
    ...(signal === kill ? [] : [`trap : ${signal}`]),
    [...variables, init, '-s', '--', ...argv.map(quoted), '</dev/null', '2>&3', '3>&-'].join(' '),
    `ended "$?" ${hasDevices ? 'exit' : 'rest'}`,
    '}',
  ];
  return `${lines.join('\n')}\n`;
}

/** Where a control group tells it, and not of a success, which needs no cause. Version 2 has the first file, version 1 the second. */
const countOfKills = [
  '[ "$1" = 0 ] || for file in /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control; do',
  '[ ! -r "$file" ] || while read -r name count; do [ "$name" != oom_kill ] || kills=$count; done <"$file"',
  'done',
];

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** What texts do not end with: else the end of one, which may be the start of these words, would wait for what comes next. */
const mark = '\x1e';
const readyWords = (nonce: string) => `${mark}${nonce} ready`;
const begunWords = (nonce: string) => `${mark}${nonce} begun`;
const endedWords = (nonce: string) => `${mark}${nonce} ended`;

const stdout = 1;
const newline = 10;
const empty = Buffer.alloc(0);

/** Whether this is what the shell answers to the greeting. */
export function isReady(text: string, nonce: string): boolean {
  return text.startsWith(`${readyWords(nonce)}\n`);
}

/** Whether the command was begun, by the start of the container's stdout. */
export function isBegun(text: string, nonce: string): boolean {
  // What an older part of a very long log said is gone: then there was output.
  const ready = `${readyWords(nonce)}\n`;
  return text.startsWith(ready) ? text.length > ready.length : text !== '';
}

export interface LaunchFacts {
  /** What the shell marks its words with. */
  readonly nonce: string;
  /** Then a success is not told by the output: a card's memory is free when the driver has seen the end. */
  readonly hasDevices: boolean;
}

/** A container's output without the shell's own words. */
export class LaunchedOutput implements OutputReader {
  private readonly mayTell: boolean;
  private readonly streams: readonly [out: TrimmedStream, err: TrimmedStream];

  constructor({ nonce, hasDevices }: LaunchFacts) {
    this.mayTell = !hasDevices;
    const before = `${readyWords(nonce)}\n${begunWords(nonce)}\n`;
    const end = endedWords(nonce);
    this.streams = [new TrimmedStream(before, end), new TrimmedStream('', end)];
  }

  /** What of it is the command's; it may come with a later part. */
  take({ stream, bytes }: LabelledBytes): Uint8Array {
    return this.streams[stream === stdout ? 0 : 1].take(bytes);
  }

  /** What was kept back, of an output that is over. */
  rest(): Uint8Array {
    return Buffer.concat(this.streams.map((stream) => stream.rest()));
  }

  /** Whether the command, or words of the shell about it, were seen. */
  get hasBegun(): boolean {
    return this.streams[0].hasBegun;
  }

  /** The shell has said so on both streams. */
  get isWhole(): boolean {
    return this.streams.every(({ end }) => end !== null);
  }

  /** All of the output was seen, and the command ended with 0. */
  get succeeded(): boolean {
    return this.mayTell && this.streams.every(({ end }) => end?.exitCode === 0);
  }

  /** Something of it was killed, and it ended with another code than 0. */
  get outOfMemory(): boolean {
    return this.streams.some(({ end }) => end !== null && end.exitCode !== 0 && end.kills > 0);
  }
}

class TrimmedStream {
  /** What the shell said of it: with how many processes that the kernel killed for want of memory. */
  end: { readonly exitCode: number; readonly kills: number } | null = null;
  hasBegun = false;
  private readonly before: Buffer;
  private readonly endWords: Buffer;
  private seen = 0;
  private kept = empty;
  private over = false;

  constructor(before: string, end: string) {
    this.before = Buffer.from(before);
    this.endWords = Buffer.from(end);
  }

  take(part: Uint8Array): Uint8Array {
    let bytes = Buffer.from(part.buffer, part.byteOffset, part.length);
    while (!this.hasBegun && bytes.length > 0 && bytes[0] === this.before[this.seen]) {
      this.seen += 1;
      bytes = bytes.subarray(1);
      this.hasBegun = this.seen === this.before.length;
    }
    // Of a very long output the first part may be gone.
    this.hasBegun ||= bytes.length > 0;
    const all = this.kept.length === 0 ? bytes : Buffer.concat([this.kept, bytes]);
    if (this.over) return this.readEnd(all);
    const at = all.indexOf(this.endWords);
    if (at >= 0) {
      this.over = true;
      this.readEnd(all.subarray(at));
      return all.subarray(0, at);
    }
    const held = this.heldBack(all);
    this.kept = Buffer.from(all.subarray(all.length - held));
    return all.subarray(0, all.length - held);
  }

  rest(): Uint8Array {
    const { kept } = this;
    this.kept = empty;
    return this.over ? empty : kept;
  }

  /** Nothing after it is the command's: that is dead. */
  private readEnd(all: Buffer): Uint8Array {
    const lineEnd = all.indexOf(newline);
    if (lineEnd < 0) this.kept = Buffer.from(all);
    else if (this.end === null) {
      const [exitCode = Number.NaN, kills = 0] = all
        .subarray(this.endWords.length, lineEnd)
        .toString()
        .trim()
        .split(' ')
        .map(Number);
      this.end = { exitCode, kills };
      this.kept = empty;
    }
    return empty;
  }

  /** How many last bytes may be the beginning of the end. */
  private heldBack(all: Buffer): number {
    for (let length = Math.min(this.endWords.length - 1, all.length); length > 0; length -= 1)
      if (all.subarray(all.length - length).equals(this.endWords.subarray(0, length))) return length;
    return 0;
  }
}
