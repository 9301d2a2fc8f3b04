/** The container executor with containers kept warm: what runs in one is to be as in a cold one. */
import { encodeBody, type PrincipalId } from '@gryphgen/protocol';
import type { ContainerExecutor, Executor, ExecutorEvents, Fence, StartOrder } from '@gryphgen/worker';
import { keyOf } from '@gryphgen/worker';
import { newFence, orderOf } from '../conformance/executor-suite.ts';

const askAgainMs = 20;
export const principal = 'p-0123456789abcdef' as PrincipalId;

/** Resolves when so many wait. The executor tells nobody when one is ready. */
export async function untilWarm(executor: { readonly warm: number }, count = 1): Promise<void> {
  while (executor.warm < count) await new Promise((resolve) => setTimeout(resolve, askAgainMs));
}

export class WarmExecutor implements Executor {
  readonly kind = 'container';
  readonly inner: ContainerExecutor;
  private readonly primers = new Map<string, () => void>();

  /** `create` is given events without those of the attempts that make containers be kept. */
  constructor(events: ExecutorEvents, create: (events: ExecutorEvents) => ContainerExecutor) {
    this.inner = create({
      started: (fence) => this.primers.has(keyOf(fence)) || events.started(fence),
      used: (fence, reading) => events.used(fence, reading),
      served: (fence, service) => events.served(fence, service),
      exited: (fence, exit) => this.primed(fence) || events.exited(fence, exit),
      startFailed: (fence, failure) => this.primed(fence) || events.startFailed(fence, failure),
    });
  }

  probe = () => this.inner.probe();
  adopt = () => this.inner.adopt();
  start = (order: StartOrder) => this.inner.start({ ...order, principal });
  stop: Executor['stop'] = (...args) => this.inner.stop(...args);
  forget = (fence: Fence) => this.inner.forget(fence);
  enter: NonNullable<Executor['enter']> = (...args) => this.inner.enter(...args);
  ownerOf = (pid: number) => this.inner.ownerOf(pid);
  close = () => this.inner.close();

  /** Resolves when the next attempt with a body like this will get a warm one. */
  async prime(body: object, count = 1): Promise<void> {
    const fence = newFence();
    const ended = new Promise<void>((resolve) => this.primers.set(keyOf(fence), resolve));
    this.start(orderOf('container', fence, encodeBody({ ...body, command: ['true'] })));
    await ended;
    this.forget(fence);
    await untilWarm(this.inner, count);
  }

  private primed(fence: Fence): boolean {
    const ended = this.primers.get(keyOf(fence));
    ended?.();
    return ended !== undefined;
  }
}
