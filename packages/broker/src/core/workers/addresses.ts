/** Where others reach what runs, as they are told. */
import type { Address, TaskDocument, WorkerReport } from '@gryphgen/protocol';
import type { BrokerState, TaskLease } from '../state.ts';

/** Nothing of what publishes nothing and is not checked. */
export function servedOf(
  { workers }: BrokerState,
  lease: TaskLease | null,
): Pick<TaskDocument, 'addresses' | 'health'> {
  if (lease?.served == null) return {};
  const { ports, health } = lease.served;
  const host = hostOf(workers.get(lease.worker)?.view.report ?? null);
  const addresses = ports.map(
    ({ name, port, protocol, bind, hostPort }): Address => ({
      name,
      port,
      protocol,
      address: `${bind === 'all' ? host : '127.0.0.1'}:${hostPort}`,
    }),
  );
  return { ...(addresses.length > 0 && { addresses }), ...(health !== null && { health }) };
}

/** Where the worker says that its data endpoint is reached; else, or where that is for itself alone, its name. */
function hostOf(report: WorkerReport | null): string {
  const [, host = ''] = /^tcp:\/\/(.+):[0-9]+$/.exec(report?.dataEndpoint ?? '') ?? [];
  return /^$|^127\.|^localhost$|^0\.0\.0\.0$|^\*$|^\[::/.test(host) ? (report?.name ?? '') : host;
}
