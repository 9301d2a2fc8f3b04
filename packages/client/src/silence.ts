/** That no broker answered, in words that tell what is known of it. */
import { type Failure, failure } from '@gryphgen/protocol';
import type { BrokerAddress } from '@gryphgen/runtime';

/** `hungUpAt`: where something listens that ended the connection before it had proved the broker's key. */
export function silence(
  brokers: readonly BrokerAddress[],
  ms: number,
  hungUpAt: string | undefined,
): Failure {
  const where = brokers.map(({ endpoint }) => endpoint).join(', ');
  const words = `no broker answered at ${where} for ${ms / 1000} s`;
  if (hungUpAt === undefined) return failure('lost.broker', words);
  const guess = 'it is the broker of another grid, or has a new key, or is no broker';
  return failure(
    'lost.broker',
    `${words}: what listens at ${hungUpAt} did not prove the broker’s key; ${guess}`,
  );
}
