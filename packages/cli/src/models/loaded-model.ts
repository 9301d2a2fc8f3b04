/** A model that is being loaded, followed until it is ready. */
import { failure, GridError, type ModelDocument, type RequestArgs } from '@gryphgen/protocol';
import { pause, systemAlarms } from '@gryphgen/runtime';
import { interruptedExit } from '../exit-codes.ts';
import { Exit } from '../problem.ts';

/** A load takes seconds: nobody sees less. */
const lookMs = 300;

/** It is not on its way to being ready. */
const over: ReadonlySet<string> = new Set(['failed', 'draining', 'stopping']);

/** What of a `Client` it needs. */
export interface ModelLoader {
  request(op: 'loadModel', args: RequestArgs<'loadModel'>): Promise<ModelDocument>;
  request(op: 'models', args: RequestArgs<'models'>): Promise<readonly ModelDocument[]>;
}

/** `say`: told what its instances are at, whenever that changes. Throws GridError where it cannot be loaded. */
export async function loadedModel(
  client: ModelLoader,
  name: string,
  signal: AbortSignal,
  say: (words: string) => void,
): Promise<ModelDocument> {
  let model: ModelDocument | undefined = await client.request('loadModel', { name });
  for (let said = ''; ; ) {
    if (model.instances.some(({ state }) => state === 'ready')) return model;
    const under = model.instances.filter(({ state }) => !over.has(state));
    if (under.length === 0 && model.trouble !== '')
      throw new GridError(
        failure(
          model.isImpossible ? 'rejected.impossible' : 'execution.model',
          `${name} cannot be loaded: ${model.trouble}`,
        ),
      );
    const words = under.map(({ task, state, workerName, words: why }) =>
      [`${task} is ${state}`, workerName === '' ? '' : `on ${workerName}`, why === '' ? '' : `(${why})`]
        .filter((part) => part !== '')
        .join(' '),
    );
    const now = words.join('; ');
    if (now !== said && now !== '') say(now);
    said = now;
    await pause(systemAlarms, lookMs, signal);
    if (signal.aborted) throw new Exit(interruptedExit);
    model = (await client.request('models', {})).find((each) => each.name === name);
    if (model === undefined) throw new GridError(failure('rejected.not-found', `${name} has been removed`));
  }
}
