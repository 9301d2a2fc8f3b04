/**
 * `grid broker` as a daemon: SYMORQ with this machine's clock, keys and log.
 *
 * 1. A new key of the broker holds from its next start. That is made here, at once, where the last one stood; what runs on the
 *    workers runs on.
 */
import type { Timers } from '@gryphgen/protocol';
import type { Config, Log } from '@gryphgen/runtime';
import { type Daemon, failure } from './daemon-life.ts';
import { RunningBroker } from './running-broker.ts';

export function brokerDaemon(config: Config, log: Log, timers?: Timers): Daemon {
  const { failed, fail } = failure();
  const make = (listen: readonly string[]): RunningBroker =>
    new RunningBroker({ config, listen, log, timers, onFatal: fail, onChanged });
  let running = make(config.listen);
  let changing = Promise.resolve();
  let isStopping = false;

  function onChanged(newKey: boolean): void {
    changing = changing.then(() => (newKey ? beginAnew() : running.openVouchers())).catch(fail);
  }
  async function beginAnew(): Promise<void> {
    if (isStopping) return;
    const { bound } = running;
    await running.stop();
    running = make(bound);
    await running.start();
    log.info({}, 'the broker has another key');
  }
  return {
    words: { starting: 'reads its journal', ready: `answers at ${config.listen.join(', ')}` },
    failed,
    start: () => running.start().then((endpoints) => ({ endpoints })),
    stop: async () => {
      isStopping = true;
      await changing;
      await running.stop();
    },
  };
}
