import { type ArtifactGrantDocument, type Failure, failure } from '@gryphgen/protocol';
import type { ArtifactPlaces } from '../core/artifacts.ts';

/** What is told to who may bring or have an artifact; `broker` null: there is no store beside it now. */
export function artifactAnswer(
  sign: () => string,
  { workers, away }: ArtifactPlaces,
  broker: ArtifactGrantDocument['broker'],
): ArtifactGrantDocument | Failure {
  if (broker !== null || workers.length > 0)
    return { grant: sign(), workers, ...(away.length > 0 && { away }), broker };
  const words = 'the store of artifacts beside the broker is not up, and no worker that has it is connected';
  return failure('lost.broker', words);
}
