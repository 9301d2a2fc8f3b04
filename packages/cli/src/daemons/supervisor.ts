/**
 * The daemons of one machine: what `grid up` is.
 *
 * 1. The broker goes last: workers say goodbye, so that nobody waits for them.
 * 2. Where the gateway has found a port, it is started again at that one.
 */
import { join, resolve } from 'node:path';
import {
  type Alarms,
  type Clock,
  type Config,
  makePrivateFolder,
  type Random,
  systemAlarms,
  systemClock,
  systemRandom,
} from '@gryphgen/runtime';
import { z } from 'zod';
import { Supervised, type SupervisedOptions } from './supervised.ts';
import type { Up } from './up-file.ts';

export interface SupervisorOptions {
  readonly config: Config;
  readonly env: SupervisedOptions['env'];
  readonly workerArgs: readonly string[];
  readonly onRestart: SupervisedOptions['onRestart'];
}

const brokerDetails = z.object({ endpoints: z.array(z.string()).min(1) });
const gatewayDetails = z.object({ url: z.string(), listen: z.string() });

export class Supervisor {
  private readonly broker: Supervised;
  private readonly worker: Supervised;
  private readonly gateway: Supervised;
  private readonly gatewayEnv: Record<string, string | undefined>;
  private readonly running: Supervised[] = [];

  constructor({ config, env, workerArgs, onRestart }: SupervisorOptions) {
    const { home, listen, broker, name, logLevel, policy, llamaServer, gatewayListen, origins } = config;
    const logs = join(home, 'logs');
    makePrivateFolder(logs);
    // What was decided here holds for the children, whatever the environment says.
    const settled = {
      ...env,
      GRID_HOME: home,
      GRID_LISTEN: listen.join(','),
      GRID_BROKER: broker.join(','),
      GRID_NAME: name,
      GRID_LOG_LEVEL: logLevel,
      GRID_LLAMA_SERVER: llamaServer,
      // One that was not named need not be there.
      ...(origins.policy !== 'default' && { GRID_POLICY: resolve(policy) }),
    };
    const clocks: { clock: Clock; alarms: Alarms; random: Random } = {
      clock: systemClock,
      alarms: systemAlarms,
      random: systemRandom,
    };
    const make = (
      daemon: string,
      args: readonly string[],
      daemonEnv: SupervisedOptions['env'] = settled,
    ): Supervised =>
      new Supervised({
        name: daemon,
        args,
        env: daemonEnv,
        logFile: join(logs, `${daemon}.log`),
        onRestart,
        ...clocks,
      });
    this.broker = make('broker', []);
    this.worker = make('worker', workerArgs);
    // Of the default port it may take another, if that is another grid's.
    const isChosen = origins.gatewayListen !== 'default';
    this.gatewayEnv = { ...settled, ...(isChosen && { GRID_GATEWAY_LISTEN: gatewayListen }) };
    this.gateway = make('gateway', [], this.gatewayEnv);
  }

  /** Resolves with where they answer when every daemon is ready; if one is not, none is left running. */
  async start(): Promise<Pick<Up, 'broker' | 'gateway'>> {
    this.running.push(this.broker, this.worker, this.gateway);
    try {
      // Together: a worker's link waits for its broker anyway.
      const [broker, gateway] = await Promise.all([
        this.broker.start(),
        this.gateway.start(),
        this.worker.start(),
      ]);
      const { url, listen } = gatewayDetails.parse(gateway);
      this.gatewayEnv.GRID_GATEWAY_LISTEN = listen;
      return { broker: brokerDetails.parse(broker).endpoints, gateway: url };
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    for (const daemon of this.running) daemon.retire();
    for (const daemon of this.running.splice(0).reverse()) await daemon.stop();
  }
}
