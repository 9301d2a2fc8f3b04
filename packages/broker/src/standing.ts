/**
 * What this broker is to those who know it: its keys and its addresses, as the grid's key says them (E29), and how an admin
 * changes that.
 *
 * 1. What is told is on disk. A new key is told while the old one still answers, and holds from the broker's next start.
 * 2. Asked again, nothing is done twice: an order names the serial that its asker knew.
 */
import { failure, GridError, type RequestArgs, type StandingDocument } from '@gryphgen/protocol';
import { isEndpoint } from '@gryphgen/runtime';

export interface Standing {
  /** As members are told it; '' while nothing was ever announced: they know the broker by their tickets. */
  readonly voucher: string;
  readonly document: StandingDocument;
  /** Resolves when it is on disk. Rejects with GridError, and with what the file system says. */
  change(order: {
    readonly newKey: boolean;
    readonly brokers?: readonly string[] | undefined;
  }): Promise<void>;
}

/** `changed` is called before the answer resolves. Rejects with GridError, in words. */
export async function announce(
  { after, newKey, brokers }: RequestArgs<'announce'>,
  standing: Standing | undefined,
  changed: (newKey: boolean) => void,
): Promise<StandingDocument> {
  if (standing === undefined) throw refused('this broker does not have the key of its grid');
  const { document } = standing;
  if (after === undefined) return document;
  if (!newKey && brokers === undefined) throw refused('nothing to be announced: a new key, or addresses');
  const wrong = brokers?.find((endpoint) => !isEndpoint(endpoint) || endpoint.endsWith(':*'));
  if (wrong !== undefined)
    throw new GridError(failure('rejected.invalid', `${wrong} is no address: expected tcp://HOST:PORT`));
  if (document.serial > after) {
    if (brokers === undefined || brokers.join() === document.brokers.join()) return document;
    throw refused('something else has been announced meanwhile: ask again');
  }
  await standing.change({ newKey, brokers });
  changed(newKey);
  return standing.document;
}

function refused(words: string): GridError {
  return new GridError(failure('rejected.state', words));
}
