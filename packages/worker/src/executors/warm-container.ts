/**
 * A container that was started before there was a task for it: its first process is a shell that waits for one order.
 *
 * 1. It takes one order in its life. Who created it removes it.
 * 2. Its shell reads from a connection of this worker's alone: when that breaks before an order, or after a success, the shell
 *    ends.
 */
import type Docker from 'dockerode';
import type { Container, ContainerCreateOptions } from 'dockerode';
import { AttachedOutput, type Connection } from './attached-output.ts';
import { type CallTools, within, wordsOf } from './docker-engine.ts';
import { openScratch } from './scratch-volume.ts';
import { greeting, isReady, type LaunchOrder, orderText } from './warm-launcher.ts';

/** Creating and starting take a second on a busy disk; an engine this slow has hung. */
const engineCallMs = 120_000;
/** A shell answers in milliseconds. */
const answerMs = 10_000;
/** In one line. What says more is not our shell, and may never end. */
const maxAnswerChars = 1024;

export class WarmContainer {
  readonly container: Container;
  readonly nonce: string;
  /** Of whoever has given it its order. The engine ends it with the container. */
  readonly output: AttachedOutput;
  /** Aborted when it will take no order any more. */
  private readonly over = new AbortController();
  private readonly stdin: Connection;

  private constructor(container: Container, nonce: string, connection: Connection) {
    this.container = container;
    this.nonce = nonce;
    this.stdin = connection;
    this.output = new AttachedOutput(connection);
    for (const event of ['error', 'close', 'end'] as const) connection.on(event, () => this.over.abort());
  }

  /**
   * Ready when it resolves; throws in words why it is not. `onOver`: it was given its order, or has ended by itself.
   * What is there of one that fails is removed by `remove`.
   */
  static async begin(
    docker: Docker,
    nonce: string,
    spec: ContainerCreateOptions,
    tools: CallTools,
    { onOver, remove }: { onOver(): void; remove(id: string): Promise<void> },
  ): Promise<WarmContainer> {
    const call = <T>(ask: (abortSignal: AbortSignal) => Promise<T>) => within(engineCallMs, tools, ask);
    const container = await call((abortSignal) => docker.createContainer({ ...spec, abortSignal }));
    let connection: Connection | null = null;
    try {
      await openScratch(container, spec, call);
      const how = { stream: true, stdin: true, stdout: true, stderr: true, hijack: true };
      const attached = (await call((abortSignal) => container.attach({ ...how, abortSignal }))) as Connection;
      connection = attached;
      const warm = new WarmContainer(container, nonce, attached);
      warm.over.signal.addEventListener('abort', onOver, { once: true });
      closeWith(tools.signal, attached);
      await call((abortSignal) => container.start({ abortSignal }));
      attached.write(greeting(nonce));
      await within(answerMs, tools, (signal) => warm.untilReady(signal));
      return warm;
    } catch (error) {
      connection?.destroy();
      await remove(container.id);
      throw error;
    }
  }

  /** False when nothing was given: it has ended meanwhile. */
  give(order: LaunchOrder): boolean {
    if (this.over.signal.aborted) return false;
    this.stdin.write(orderText(order));
    this.over.abort();
    return true;
  }

  private async untilReady(signal: AbortSignal): Promise<void> {
    const giveUp = () => this.output.close();
    signal.addEventListener('abort', giveUp, { once: true });
    let text = '';
    try {
      while (!isReady(text, this.nonce)) {
        const piece = await this.output.look();
        if (piece === null || text.length > maxAnswerChars)
          throw new Error(text.trim().slice(0, 200) || 'it has no /sbin/docker-init');
        for (const { bytes } of piece) text += Buffer.from(bytes).toString('latin1');
      }
    } catch (error) {
      throw new Error(signal.aborted ? 'its shell does not answer' : wordsOf(error));
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
  }
}

/** An open connection keeps this process. */
function closeWith(signal: AbortSignal, connection: Connection): void {
  const close = () => connection.destroy();
  signal.addEventListener('abort', close);
  connection.on('close', () => signal.removeEventListener('abort', close));
  if (signal.aborted) close();
}
