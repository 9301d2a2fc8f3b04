/** For tests of the relay: that beside a broker, and a worker that nobody can connect to, over real sockets that can be cut. */
import { createServer, connect as dial, type Socket } from 'node:net';
import { failure } from '@gryphgen/protocol';
import { systemAlarms, systemClock } from '../clock.ts';
import { broker, curve, grantFor, grid, worker } from '../data-exec.fixture.ts';
import { DataServer, type DataServerOptions } from '../data-server.ts';
import { createLog } from '../log.ts';
import { systemRandom } from '../random.ts';
import { afterTest, Seen } from '../scratch.fixture.ts';
import { RelayLink } from './relay-link.ts';

type Serving = Partial<Pick<DataServerOptions, 'open' | 'exec' | 'fetch'>>;

function serverAt(endpoints: readonly string[], options: Partial<DataServerOptions>): DataServer {
  return new DataServer({
    ...{ endpoints, curve, grid, worker, brokerKey: () => broker.key, brokerWall: systemClock.wall },
    ...{ clock: systemClock, alarms: systemAlarms },
    open: () => failure('rejected.not-found', 'no logs here'),
    ...options,
  });
}

export class RelayedGrid {
  /** The workers that were connected, at each change. */
  readonly relayed = new Seen<readonly string[]>();
  /** What the worker's log says of its connection. */
  readonly without = new Seen<string>();
  readonly beside: DataServer;
  /** The worker's. */
  readonly data: DataServer;
  /** The grants of the worker's next connections; by default good ones. */
  readonly grants: string[] = [];
  asked = 0;
  private link: RelayLink | undefined;
  private endpoint = '';
  private behind = '';
  private readonly wires = new Set<Socket>();

  private constructor(serving: Serving) {
    this.beside = serverAt(['tcp://127.0.0.1:*'], {
      worker: '',
      fetch: async () => failure('rejected.not-found', 'it is not in this store'),
      onRelayed: (workers) => this.relayed.add(workers),
    });
    this.data = serverAt([], serving);
  }

  /** Resolves when the worker is connected, if it `joins`. */
  static async start(serving: Serving, joins = true): Promise<RelayedGrid> {
    const made = new RelayedGrid(serving);
    [made.endpoint = ''] = await made.beside.start();
    afterTest(() => made.beside.stop());
    await made.data.start();
    afterTest(() => made.data.stop());
    await made.wire();
    made.join();
    if (joins) await made.joined();
    return made;
  }

  /** Resolves when the worker is connected: for the `times`th time. */
  joined(times = 1): Promise<void> {
    return this.relayed.until((all) => all.filter((workers) => workers.length > 0).length >= times);
  }

  /** Resolves when it is connected no more. */
  left(): Promise<void> {
    return this.relayed.until((all) => all.at(-1)?.length === 0);
  }

  /** Where the worker is had. */
  get place() {
    return { endpoint: this.endpoint, dataKey: curve.publicKey, relayed: worker, alarms: systemAlarms };
  }

  /** The worker's connection breaks, as when a NAT forgets it. */
  cut(): void {
    for (const wire of this.wires) wire.destroy();
  }

  private join(): void {
    this.link = new RelayLink({
      ask: async () => {
        this.asked += 1;
        const grant = this.grants.shift() ?? grantFor({ op: 'relay', worker });
        return { grant, broker: { endpoints: [this.behind], dataKey: curve.publicKey } };
      },
      brokerEndpoint: () => 'tcp://127.0.0.1:1',
      transfers: this.data.transfers,
      alarms: systemAlarms,
      random: systemRandom,
      log: createLog({ daemon: 'worker', level: 'info', to: { write: (line) => this.without.add(line) } }),
    });
    this.link.start();
    afterTest(() => this.link?.stop());
  }

  private async wire(): Promise<void> {
    const [, port] = /:([0-9]+)$/.exec(this.endpoint) ?? [];
    const server = createServer((one) => {
      const other = dial(Number(port), '127.0.0.1');
      for (const [from, to] of [
        [one, other],
        [other, one],
      ] as const) {
        this.wires.add(from);
        from.on('error', () => undefined);
        from.on('close', () => {
          this.wires.delete(from);
          to.destroy();
        });
        from.pipe(to);
      }
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    this.behind = `tcp://*:${typeof address === 'object' ? address?.port : ''}`;
    afterTest(() => void server.close());
  }
}
