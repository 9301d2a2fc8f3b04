/** Things that start and stop: in order, in reverse, once. */

export interface Service {
  start(): Promise<void>;
  /** May be called at any time and more than once. */
  stop(): Promise<void>;
}

/** Starts one after the other; if one fails, those that run are stopped and its error is thrown. */
export async function startAll(services: readonly Service[]): Promise<void> {
  const running: Service[] = [];
  for (const service of services) {
    try {
      await service.start();
      running.push(service);
    } catch (error) {
      await stopAll([...running, service]);
      throw error;
    }
  }
}

/** Stops all, last first, also when one fails; throws the first error. */
export async function stopAll(services: readonly Service[]): Promise<void> {
  const errors: unknown[] = [];
  for (const service of [...services].reverse()) {
    await service.stop().catch((error: unknown) => errors.push(error));
  }
  if (errors.length > 0) throw errors[0];
}

/** Resolves with the name of the first signal that asks this process to end. */
export function endSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const signals: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM'];
    const onSignal = (signal: NodeJS.Signals): void => {
      for (const name of signals) process.off(name, onSignal);
      resolve(signal);
    };
    for (const name of signals) process.on(name, onSignal);
  });
}
