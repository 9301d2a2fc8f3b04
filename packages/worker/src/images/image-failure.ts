/**
 * What a task is told when its image does not come, and what becomes of the task.
 *
 * What is wrong with the image, or with the registry it names, is `execution.image`: tried again as the task's own policy
 * says, and no blemish on the worker, which anybody could cause by a name mistyped. What is wrong with this worker is
 * `lost.worker`: tried elsewhere at once.
 */
import { type Failure, failure } from '@gryphgen/protocol';
import type { PullEnd } from './image-pull.ts';
import { type ImageReference, writeReference } from './image-reference.ts';

type Problem = Extract<PullEnd, { readonly ok: false }>;

export interface PullCircumstances {
  /** Why there was no login to present, or ''. */
  readonly hint: string;
  /** What the registry has it for and what this machine is, or ''. */
  readonly platforms: string;
}

export function pullFailure(
  reference: ImageReference,
  { problem, words }: Problem,
  { hint, platforms }: PullCircumstances,
): Failure {
  const image = writeReference(reference);
  const { host } = reference;
  switch (problem) {
    case 'absent':
      return failure('execution.image', `${host} has no image ${image}: ${words}`);
    case 'forbidden': {
      const why = hint === '' ? "it does not accept this worker's login" : hint;
      return failure('execution.image', `${host} does not give ${image} to this worker: ${words} (${why})`);
    }
    case 'digest':
      return failure('execution.image', `what ${host} sent is not ${image}: ${words}`);
    case 'platform':
      return failure('execution.image', `${image} is not made for this machine: ${platforms || words}`);
    case 'space':
      return failure('lost.worker', `this worker's disk has no room for ${image}: ${words}`);
    case 'unreachable':
      return failure('execution.image', `${host} cannot be reached for ${image} from this worker: ${words}`);
    case 'credentials':
      return failure('lost.worker', `this worker cannot log in to ${host} for ${image}: ${words}`);
    case 'engine':
      return failure('lost.worker', `the Docker engine of this worker ended the pull of ${image}: ${words}`);
    case 'stalled':
      return failure('execution.image', `${image} does not come from ${host}: ${words}`);
    case 'left':
    case 'other':
      return failure('execution.image', `${image} cannot be pulled: ${words}`);
  }
}

/** When its command cannot be executed at all: the usual reason, if it is the reason. */
export function formatFailure(image: string, imagePlatform: string, machinePlatform: string): Failure {
  const words =
    imagePlatform === machinePlatform
      ? `the command in ${image} is no program for ${machinePlatform}, though the image says that it is (or a script without #!)`
      : `${image} is for ${imagePlatform}, this machine is ${machinePlatform}`;
  return failure('execution.image', `exec format error: ${words}`);
}
