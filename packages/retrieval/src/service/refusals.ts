/** What a service cannot do, as the failure of the task that asked it. */
import { type Failure, failure } from '@gryphgen/protocol';
import { StoreError } from '../store/store.ts';

/** What the store cannot do is told in its words; so is a disk that takes no more. */
export async function told<T>(work: () => Promise<T>): Promise<T | Failure> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof StoreError) return failure('execution.exit', error.message);
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC')
      return failure('execution.exit', `The disk of the collections is full: ${(error as Error).message}`);
    throw error;
  }
}

export function unknown(collection: string): Failure {
  return failure('rejected.not-found', `there is no collection ${collection} here`);
}

export function unredacted(collection: string): Failure {
  return failure(
    'rejected.state',
    `texts of ${collection} are kept as they are, expected a collection that redacts them`,
  );
}
