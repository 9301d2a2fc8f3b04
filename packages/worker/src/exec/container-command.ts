/**
 * One command beside a container's own: the engine's `exec`, its streams and its exit code.
 *
 * 1. It has what the container has and no more: its namespaces, limits, capabilities, seccomp profile and mounts.
 * 2. It carries a mark in its environment: the engine lets a command go when its client leaves, and offers no way to end
 *    it; by the mark it is found and ended, and whatever it started (marked-processes.ts).
 */
import { type ExecOrder, failure, type TerminalSize } from '@gryphgen/protocol';
import { type Duplex, type DuplexOutput, pause, type TransferEnd } from '@gryphgen/runtime';
import type { Container, Exec, ExecInspectInfo } from 'dockerode';
import {
  type CallTools,
  engineLost,
  labelled,
  statusOf,
  within,
  wordsOf,
} from '../executors/docker-engine.ts';
import { endMarked, markOf } from './marked-processes.ts';

/** Creating and starting take a tenth of a second; an engine this slow has hung. */
const engineCallMs = 30_000;
/** From the end of its output to its exit code, and from its start to being told of it: normally nothing. */
const askAgainMs = 20;
const mostMs = 2000;
/** From a command's end to that of its container, as the engine notes them one after the other. */
const mostBehindMs = 3000;
const endTries = 5;
const endAgainMs = 200;
/** The engine's own words on a command that it cannot start. */
const refusalBytes = 4096;
const killed = 137;

/** A stream that the engine has upgraded to: both directions of the command. */
type Streams = NodeJS.ReadWriteStream & AsyncIterable<Buffer> & { destroy(): void };

/** Resolves when it runs, or with why it does not. When the signal is aborted it is ended. */
export async function runBeside(
  container: Container,
  id: string,
  order: ExecOrder,
  tools: CallTools,
  signal: AbortSignal,
): Promise<Duplex | TransferEnd> {
  const begun = await begin(container, id, order, tools);
  if ('failure' in begun) return begun;
  const command = new ContainerCommand(container, id, order, begun, tools, signal);
  return (await command.started()) ?? command;
}

interface Begun {
  readonly exec: Exec;
  readonly streams: Streams;
}

async function begin(
  container: Container,
  id: string,
  { command, env, user, workdir, stdin, tty }: ExecOrder,
  tools: CallTools,
): Promise<Begun | TransferEnd> {
  const size = tty === null ? {} : { ConsoleSize: [tty.rows, tty.columns] as [number, number] };
  try {
    const exec = await within(engineCallMs, tools, (abortSignal) =>
      container.exec({
        AttachStdin: stdin,
        AttachStdout: true,
        AttachStderr: true,
        Tty: tty !== null,
        Cmd: command,
        Env: Object.entries({ ...env, ...markOf(id) }).map(([name, value]) => `${name}=${value}`),
        ...(user === undefined ? {} : { User: user }),
        ...(workdir === undefined ? {} : { WorkingDir: workdir }),
        ...size,
        abortSignal,
      }),
    );
    // Engines of before 2022 do not know a size at the start: they are told when it runs.
    const how = { hijack: true, stdin, Tty: tty !== null, ...size };
    const streams = await within(engineCallMs, tools, (abortSignal) => exec.start({ ...how, abortSignal }));
    return { exec, streams: streams as unknown as Streams };
  } catch (error) {
    const status = statusOf(error);
    if (status === null) return { failure: engineLost(error) };
    const words = status === 404 || status === 409 ? 'its container does not run any more' : wordsOf(error);
    return { failure: failure('rejected.state', `the command cannot be run: ${words}`) };
  }
}

class ContainerCommand implements Duplex {
  readonly output: AsyncIterable<DuplexOutput>;
  readonly ended: Promise<TransferEnd>;
  private readonly container: Container;
  private readonly id: string;
  private readonly order: ExecOrder;
  private readonly exec: Exec;
  private readonly streams: Streams;
  private readonly tools: CallTools;
  private readonly signal: AbortSignal;
  private outputOver: () => void = () => undefined;
  private size: TerminalSize | null;
  private resizing = false;
  private ending: Promise<TransferEnd> | undefined;

  constructor(
    container: Container,
    id: string,
    order: ExecOrder,
    { exec, streams }: Begun,
    tools: CallTools,
    signal: AbortSignal,
  ) {
    this.container = container;
    this.id = id;
    this.order = order;
    this.exec = exec;
    this.streams = streams;
    this.tools = tools;
    this.signal = signal;
    this.size = order.tty;
    // Its end shows in the output's.
    streams.on('error', () => undefined);
    this.output = this.read();
    const read = new Promise<void>((resolve) => {
      this.outputOver = resolve;
    });
    const aborted = new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
      if (signal.aborted) resolve();
    });
    this.ended = Promise.race([read.then(() => this.exited()), aborted.then(() => this.endNow())]);
  }

  /** Why it could not be started; undefined when it runs, or has run. */
  async started(): Promise<TransferEnd | undefined> {
    // It counts as running from before it is started.
    const info = await this.inspect(({ Pid, ExitCode }) => Pid !== 0 || ExitCode !== null);
    if (info === undefined) return this.signal.aborted ? this.endNow() : this.lost();
    // A command that ran has a process; of one that did not, the output is what the engine has to say.
    if (info.Pid === 0 && info.ExitCode !== null) {
      const words = await this.refusal();
      const why = failure('execution.start', `cannot run ${this.order.command[0]}: ${words}`);
      return { failure: why, exitCode: info.ExitCode };
    }
    void this.tellSize();
    return undefined;
  }

  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.streams.off('close', done);
        resolve();
      };
      this.streams.on('close', done);
      if (!this.streams.writable) done();
      else this.streams.write(bytes, done);
    });
  }

  endInput(): void {
    // A terminal has no end of input: whoever types it sends the character for it. Half closed, its output would end.
    if (this.order.stdin && this.order.tty === null) this.streams.end();
  }

  resize(size: TerminalSize): void {
    if (this.order.tty === null) return;
    this.size = size;
    void this.tellSize();
  }

  /** One at a time, the newest. */
  private async tellSize(): Promise<void> {
    if (this.resizing) return;
    this.resizing = true;
    try {
      for (let told: TerminalSize | null = null; this.size !== null && this.size !== told; ) {
        told = this.size;
        const { columns: w, rows: h } = told;
        await within(engineCallMs, this.tools, (abortSignal) => this.exec.resize({ w, h, abortSignal }));
      }
    } catch {
      // It has ended: its size is of no interest any more.
    } finally {
      this.resizing = false;
    }
  }

  private async *read(): AsyncGenerator<DuplexOutput, void> {
    try {
      if (this.order.tty !== null) for await (const bytes of this.streams) yield { stream: 'stdout', bytes };
      else
        for await (const { stream, bytes } of labelled(this.streams))
          yield { stream: stream === 2 ? 'stderr' : 'stdout', bytes };
    } catch {
      // Broken: what became of the command tells its exit code.
    } finally {
      this.outputOver();
    }
  }

  private async refusal(): Promise<string> {
    let words = '';
    for await (const { bytes } of this.output) {
      words += Buffer.from(bytes).toString();
      if (words.length > refusalBytes) break;
    }
    return words.trim().replace(/^OCI runtime exec failed: exec failed: /, '');
  }

  /** Its output is over: as a rule because it has ended, but it may also have closed it and run on. */
  private async exited(): Promise<TransferEnd> {
    const info = await this.inspect(({ Running, ExitCode }) => !Running && ExitCode !== null);
    if (this.signal.aborted) return this.endNow();
    if (info === undefined) return this.lost();
    const exitCode = info.ExitCode;
    if (exitCode !== killed || (await this.containerRuns())) return { failure: null, exitCode };
    return { failure: failure('execution.exit', 'the task has ended, and the command with it'), exitCode };
  }

  private endNow(): Promise<TransferEnd> {
    this.ending ??= this.end().then((isOver) => ({
      failure: isOver
        ? failure('cancelled.user', 'its client has left, and the command was ended')
        : failure('lost.link', 'its client has left, and the command cannot be ended before its task'),
    }));
    return this.ending;
  }

  private async lost(): Promise<TransferEnd> {
    await this.end();
    return { failure: engineSilent };
  }

  /** False: it runs on. Tried again, since it may just be about to begin. */
  private async end(): Promise<boolean> {
    this.streams.destroy();
    const isOver = async (): Promise<boolean> => !(await this.ask())?.Running;
    for (let tries = 0; tries < endTries; tries += 1) {
      await endMarked(this.container, this.id, this.order.user, isOver, this.tools);
      if (await isOver()) return true;
      await pause(this.tools.alarms, endAgainMs, this.tools.signal);
    }
    return false;
  }

  /** What the engine says once it is `enough`; undefined when it says nothing, or the client leaves meanwhile. */
  private async inspect(enough: (info: ExecInspectInfo) => boolean): Promise<ExecInspectInfo | undefined> {
    const { alarms } = this.tools;
    for (let waitMs = askAgainMs; !this.signal.aborted; waitMs = Math.min(2 * waitMs, mostMs)) {
      const info = await this.ask();
      if (info === undefined || enough(info)) return info;
      await pause(alarms, waitMs, this.signal);
    }
    return undefined;
  }

  /** Undefined when the engine does not know of it, or does not answer. */
  private async ask(): Promise<ExecInspectInfo | undefined> {
    try {
      return await within(engineCallMs, this.tools, (abortSignal) => this.exec.inspect({ abortSignal }));
    } catch {
      return undefined;
    }
  }

  /** Asked again: a container's processes end before it does. */
  private async containerRuns(): Promise<boolean> {
    const { alarms } = this.tools;
    for (let waitMs = askAgainMs, waitedMs = 0; waitedMs < mostBehindMs; waitedMs += waitMs, waitMs *= 2) {
      try {
        const { State } = await within(engineCallMs, this.tools, (abortSignal) =>
          this.container.inspect({ abortSignal }),
        );
        if (!State.Running) return false;
      } catch (error) {
        return statusOf(error) === null;
      }
      await pause(alarms, waitMs, this.tools.signal);
    }
    return true;
  }
}

const engineSilent = failure('lost.worker', 'the Docker engine does not say what became of the command');
