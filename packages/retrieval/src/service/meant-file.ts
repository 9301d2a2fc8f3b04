/** Which file of a collection somebody means who names it as it was answered. */
import { type Failure, failure } from '@gryphgen/protocol';
import type { SourceState } from '../store/store.ts';
import { machineOf, pathOf } from './file-key.ts';

/** Its key. */
export function meantFile(
  known: readonly SourceState[],
  collection: string,
  path: string,
  machine: string | undefined,
): string | Failure {
  const meant = known.filter(
    ({ key }) => pathOf(key) === path && (machine === undefined || machineOf(key) === machine),
  );
  const [file] = meant;
  if (file === undefined) return failure('rejected.not-found', `there is no ${path} in ${collection}`);
  if (meant.length === 1) return file.key;
  return failure(
    'rejected.invalid',
    `${path} is of several machines, expected one of ${meant.map(({ key }) => machineOf(key)).join(', ')}`,
  );
}
