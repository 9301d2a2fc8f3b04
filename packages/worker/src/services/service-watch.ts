/**
 * Looks at one service for as long as it runs: where the engine has put its ports, and how well it is. What it finds is
 * told when it changes.
 *
 * 1. Checks go to the container's own address: at a published one the engine's proxy accepts connections for a service
 *    that does not listen.
 * 2. An engine that does not answer says nothing about the health of a service.
 */
import { type Health, limits, type PublishedPort } from '@gryphgen/protocol';
import { type Alarms, type Clock, pause } from '@gryphgen/runtime';
import type { Container, ContainerInspectInfo } from 'dockerode';
import type { Fence } from '../core/fence.ts';
import { answerWithin, within } from '../executors/docker-engine.ts';
import type { ExecutorEvents } from '../executors/executor.ts';
import { engineHealth } from './engine-health.ts';
import { checkHttp, checkTcp } from './health-checks.ts';
import { HealthCount } from './health-count.ts';
import { publishedPorts } from './published-ports.ts';
import { readService, type ServiceFacts } from './service-label.ts';

const answerMs = 10_000;
const askAgainMs = 1000;

interface WatchTools {
  readonly clock: Clock;
  readonly alarms: Alarms;
  readonly events: Pick<ExecutorEvents, 'served'>;
}

/** Of a container that runs, by what its labels say. Returns how to end it. */
export function watchService(
  fence: Fence,
  container: Container,
  labels: Readonly<Record<string, string>>,
  tools: WatchTools,
): () => void {
  const facts = readService(labels);
  const over = new AbortController();
  if (facts !== undefined) void new ServiceWatch(fence, container, facts, tools, over.signal).run();
  return () => over.abort();
}

class ServiceWatch {
  private readonly fence: Fence;
  private readonly container: Container;
  private readonly facts: ServiceFacts;
  private readonly tools: WatchTools;
  private readonly signal: AbortSignal;
  private ports: readonly PublishedPort[] = [];
  private told: Health | null = null;

  constructor(
    fence: Fence,
    container: Container,
    facts: ServiceFacts,
    tools: WatchTools,
    signal: AbortSignal,
  ) {
    this.fence = fence;
    this.container = container;
    this.facts = facts;
    this.tools = tools;
    this.signal = signal;
  }

  async run(): Promise<void> {
    const { health } = this.facts;
    const seen = await this.firstLook();
    if (seen === null) return;
    this.ports = publishedPorts(this.facts, seen.NetworkSettings);
    if (health === undefined) this.tell(null);
    else if (health.command === undefined) await this.checkOutside(health, addressOf(this.facts, seen));
    else await this.checkByEngine(health, engineHealth(seen));
  }

  /** Null when it is over before the engine answers. */
  private async firstLook(): Promise<ContainerInspectInfo | null> {
    for (;;) {
      const seen = await this.look();
      if (this.signal.aborted) return null;
      if (seen !== null) return seen;
      await pause(this.tools.alarms, askAgainMs, this.signal);
    }
  }

  private async look(): Promise<ContainerInspectInfo | null> {
    const { alarms } = this.tools;
    const question = (abortSignal: AbortSignal) => this.container.inspect({ abortSignal });
    return answerWithin(answerMs, { alarms, signal: this.signal }, question).catch(() => null);
  }

  private async checkByEngine({ intervalMs }: Check, first: Health): Promise<void> {
    for (let health = first; !this.signal.aborted; ) {
      this.tell(health);
      await pause(this.tools.alarms, intervalMs, this.signal);
      const seen = await this.look();
      if (seen !== null) health = engineHealth(seen);
    }
  }

  private async checkOutside(check: Check, host: string): Promise<void> {
    const { clock, alarms } = this.tools;
    const count = new HealthCount(check, clock.mono());
    while (!this.signal.aborted) {
      this.tell(count.health);
      await pause(alarms, count.waitMs(clock.mono()), this.signal);
      if (this.signal.aborted) return;
      const why = await within(check.timeoutMs, { alarms, signal: this.signal }, (signal) =>
        checkOnce(check, host, signal),
      );
      count.checked(why, clock.mono());
    }
  }

  private tell(health: Health | null): void {
    const isSame = health?.state === this.told?.state && health?.words === this.told?.words;
    if (this.signal.aborted || (this.told !== null && isSame)) return;
    this.told = health && { ...health, words: health.words.slice(0, limits.healthChars) };
    this.tools.events.served(this.fence, { ports: this.ports, health: this.told });
  }
}

type Check = NonNullable<ServiceFacts['health']>;

function checkOnce({ http, tcp = 0 }: Check, host: string, signal: AbortSignal): Promise<string> {
  return http === undefined
    ? checkTcp({ host, port: tcp }, signal)
    : checkHttp({ host, port: http.port }, http.path, signal);
}

function addressOf({ network }: ServiceFacts, { NetworkSettings }: ContainerInspectInfo): string {
  return network === 'host' ? '127.0.0.1' : (NetworkSettings.Networks.bridge?.IPAddress ?? '');
}
