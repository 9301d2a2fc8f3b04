/**
 * A container that was started before there was a task for it: its first process is a shell that waits for one order.
 *
 * 1. It takes one order in its life. Who created it removes it.
 * 2. Its shell reads from a connection of this worker's alone: when that breaks before an order, the shell ends.
 */
import type Docker from 'dockerode';
import type { Container, ContainerCreateOptions } from 'dockerode';
import { type CallTools, labelled, within, wordsOf } from './docker-engine.ts';
import { openScratch } from './scratch-volume.ts';
import { greeting, isReady, type LaunchOrder, orderText } from './warm-launcher.ts';

/** Creating and starting take a second on a busy disk; an engine this slow has hung. */
const engineCallMs = 120_000;
/** A shell answers in milliseconds. */
const answerMs = 10_000;

type Stdin = NodeJS.ReadWriteStream & { destroy(): void };

export class WarmContainer {
  readonly container: Container;
  readonly nonce: string;
  /** Aborted when it will take no order any more. */
  private readonly over = new AbortController();
  private readonly stdin: Stdin;

  private constructor(container: Container, nonce: string, stdin: Stdin, onOver: () => void) {
    this.container = container;
    this.nonce = nonce;
    this.stdin = stdin;
    this.over.signal.addEventListener('abort', onOver, { once: true });
    for (const event of ['error', 'close', 'end'] as const) stdin.on(event, () => this.over.abort());
    stdin.resume();
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
    let stdin: Stdin | null = null;
    try {
      await openScratch(container, spec, call);
      const how = { stream: true, stdin: true, stdout: false, stderr: false, hijack: true };
      const attached = (await call((abortSignal) => container.attach({ ...how, abortSignal }))) as Stdin;
      stdin = attached;
      const warm = new WarmContainer(container, nonce, attached, onOver);
      await call((abortSignal) => container.start({ abortSignal }));
      attached.write(greeting(nonce));
      await within(answerMs, tools, (signal) => warm.untilReady(signal));
      // The engine does not end a connection whose input is over, and an open one keeps this process.
      const end = () => attached.destroy();
      void container.wait({ abortSignal: tools.signal }).then(end, end);
      return warm;
    } catch (error) {
      stdin?.destroy();
      await remove(container.id);
      throw error;
    }
  }

  /** False when nothing was given: it has ended meanwhile. */
  give(order: LaunchOrder): boolean {
    if (this.over.signal.aborted) return false;
    this.stdin.end(orderText(order, this.nonce));
    this.over.abort();
    return true;
  }

  private async untilReady(abortSignal: AbortSignal): Promise<void> {
    const follow = { follow: true, stdout: true, stderr: true, abortSignal } as const;
    const stream = (await this.container.logs(follow)) as unknown as Stdin & AsyncIterable<Uint8Array>;
    let text = '';
    try {
      for await (const { bytes } of labelled(stream)) {
        text += Buffer.from(bytes).toString('latin1');
        if (isReady(text, this.nonce)) return;
      }
    } catch (error) {
      throw new Error(abortSignal.aborted ? 'its shell does not answer' : wordsOf(error));
    }
    throw new Error(text.trim().slice(0, 200) || 'it has no /sbin/docker-init');
  }
}
