/** What is measured on a worker, for as long as that is there: what waits for one that is gone would wait for minutes. */
import { failure, GridError, type NodeDocument, type RequestArgs } from '@gryphgen/protocol';
import { type Alarms, pause } from '@gryphgen/runtime';

const lookMs = 2000;
/** One after the other: a broker that was begun anew hears of its workers sooner. */
const looksWithout = 5;

/** What of a `Client` it needs. */
export interface NodeAsker {
  request(op: 'nodes', args: RequestArgs<'nodes'>, signal?: AbortSignal): Promise<readonly NodeDocument[]>;
}

type Node = Pick<NodeDocument, 'id' | 'name'>;

/** Gives `work` up, and throws GridError `lost.worker`, where the worker is gone. `signal` gives it up too. */
export async function whileThere<T>(
  client: NodeAsker,
  node: Node,
  { alarms, signal }: { readonly alarms: Alarms; readonly signal: AbortSignal },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const over = new AbortController();
  const gone = new AbortController();
  const look = async (): Promise<void> => {
    for (let without = 0; ; ) {
      await pause(alarms, lookMs, over.signal);
      if (over.signal.aborted) return;
      const state = await stateOf(client, node, over.signal);
      without = state === 'ready' || state === 'silent' ? 0 : without + 1;
      if (without === looksWithout) throw goneFrom(node, state);
    }
  };
  // That the grid cannot be asked ends the work, too; once that is over nobody is told.
  look().catch((error: unknown) => gone.abort(error));
  try {
    return await work(AbortSignal.any([signal, gone.signal]));
  } catch (error) {
    throw gone.signal.aborted && !signal.aborted ? gone.signal.reason : error;
  } finally {
    over.abort();
  }
}

/** Throws GridError `lost.worker` where it is not ready. */
export async function stillThere(client: NodeAsker, node: Node): Promise<void> {
  const state = await stateOf(client, node);
  if (state !== 'ready') throw goneFrom(node, state);
}

/** Undefined: the grid has no such worker. */
async function stateOf(
  client: NodeAsker,
  { id }: Node,
  signal?: AbortSignal,
): Promise<NodeDocument['state'] | undefined> {
  return (await client.request('nodes', {}, signal)).find((each) => each.id === id)?.state;
}

function goneFrom({ name }: Node, state: NodeDocument['state'] | undefined): GridError {
  const words = state === undefined ? 'was removed' : `is ${state}`;
  return new GridError(
    failure('lost.worker', `${name} ${words}: it is measured no further, and nothing is kept for it`),
  );
}
