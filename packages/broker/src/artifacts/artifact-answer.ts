import {
  type ArtifactGrantDocument,
  type DataPlaceDocument,
  type Failure,
  failure,
} from '@gryphgen/protocol';

/** What is told to who may bring or have an artifact; `broker` null: there is no store beside it now. */
export function artifactAnswer(
  sign: () => string,
  workers: readonly DataPlaceDocument[],
  broker: ArtifactGrantDocument['broker'],
): ArtifactGrantDocument | Failure {
  if (broker !== null || workers.length > 0) return { grant: sign(), workers, broker };
  const words = 'the store of artifacts beside the broker is not up, and no worker that has it is connected';
  return failure('lost.broker', words);
}
