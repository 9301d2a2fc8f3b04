/** An image that is pushed to a worker, as it is told before its bytes: `grid image push`. */
import { z } from 'zod';
import { cutReference, imagePattern } from './image-reference.ts';
import { limits } from './limits.ts';

export interface ImageOrder {
  /** What docker calls the image's id: the digest of its config, `sha256:…`. */
  readonly id: string;
  /** Each `name:tag`: what it is to be called there. */
  readonly names: readonly string[];
  readonly configBytes: number;
  /** The size of each layer as a tar, not compressed, the lowest first. */
  readonly layers: readonly number[];
}

const layerBytes = z.number().int().min(1).max(limits.imageBytes);

export const imageOrderSchema: z.ZodType<ImageOrder> = z
  .object({
    id: z.string().regex(/^sha256:[0-9a-f]{64}$/),
    names: z
      .array(z.string().max(limits.nameChars).regex(imagePattern).refine(isTaggedName, 'expected name:tag'))
      .min(1)
      .max(limits.imageNames),
    configBytes: z.number().int().min(2).max(limits.imageConfigBytes),
    layers: z.array(layerBytes).min(1).max(limits.imageLayers),
  })
  .refine((order) => imageOrderBytes(order) <= limits.imageBytes, {
    message: `at most ${limits.imageBytes} bytes in all`,
  });

/** What follows the order: the config, then each layer. */
export function imageOrderBytes({ configBytes, layers }: Pick<ImageOrder, 'configBytes' | 'layers'>): number {
  return layers.reduce((sum, layer) => sum + layer, configBytes);
}

function isTaggedName(name: string): boolean {
  const { tag, digest } = cutReference(name);
  return tag !== '' && digest === '';
}
