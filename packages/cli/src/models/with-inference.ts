/** Questions to models while a command lasts: a signal to it gives up what is asked, and it ends as a shell tells that. */
import { type Client, Inference } from '@gryphgen/client';
import { onEndSignal } from '../conversation.ts';
import { type EndSignal, exitCodeOfSignal } from '../exit-codes.ts';
import { Exit } from '../problem.ts';

export async function withInference<T>(
  client: Client,
  work: (inference: Inference, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const inference = new Inference(client);
  const stop = new AbortController();
  let ended: EndSignal | undefined;
  const forget = onEndSignal((name) => {
    ended = name;
    stop.abort();
  });
  try {
    return await work(inference, stop.signal);
  } catch (error) {
    if (ended !== undefined) throw new Exit(exitCodeOfSignal(ended));
    throw error;
  } finally {
    forget();
    await inference.close();
  }
}
