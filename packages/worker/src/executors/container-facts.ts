/** What the engine says of a container that @types/dockerode does not, or that we tell further. */
import { type AttemptOutcome, cutReference, encodeBody } from '@gryphgen/protocol';
import type { ContainerInspectInfo } from 'dockerode';
import { readImage } from './container-labels.ts';

export function stopSignalOf({ Config }: ContainerInspectInfo): string | undefined {
  return (Config as { readonly StopSignal?: string }).StopSignal;
}

interface MadeOf {
  readonly Image: string;
  readonly Config: Pick<ContainerInspectInfo['Config'], 'Labels'>;
}

/** Of which image it was made, and by which digest that was asked for. */
export function outcomeOf({ Image, Config }: MadeOf): Uint8Array {
  const { digest } = cutReference(readImage(Config.Labels));
  const outcome: AttemptOutcome = { image: { id: Image, ...(digest !== '' && { digest }) } };
  return encodeBody(outcome);
}
