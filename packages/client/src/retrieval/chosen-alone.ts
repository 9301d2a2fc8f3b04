/** That an answer is from the files that were asked for: services of before there were choices know of none, and answer from all. */
import { failure, GridError, type QueryResult, type RetrieveBody } from '@gryphgen/protocol';

type Query = Extract<RetrieveBody, { op: 'query' }>;

/** Throws GridError where files were chosen and the shard's service knows of no choice: it answered from all. */
export function chosenAlone(
  { collection, files }: Pick<Query, 'collection' | 'files'>,
  shard: number,
  result: QueryResult,
): QueryResult {
  if (files === undefined || result.chosen === true) return result;
  throw new GridError(
    failure(
      'rejected.invalid',
      `shard ${shard + 1} of ${collection} is on a machine with an older program, which cannot choose files: expected a newer one there, or a query of all files`,
    ),
  );
}
