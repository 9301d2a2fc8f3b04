/** How much has come of what attempts wait for. Who wants to tell of it asks, as often as they like. */
import type { ArtifactRef, Fetched } from '@gryphgen/protocol';

export class AwaitedInputs {
  private readonly isHere: (digest: string) => boolean;
  /** By the attempts' keys. */
  private readonly awaited = new Map<string, readonly ArtifactRef[]>();
  /** Of what is being fetched, how many of its bytes are here. */
  private readonly come = new Map<string, number>();

  constructor(isHere: (digest: string) => boolean) {
    this.isHere = isHere;
  }

  begin(key: string, inputs: readonly ArtifactRef[]): void {
    this.awaited.set(key, inputs);
  }

  end(key: string): void {
    this.awaited.delete(key);
  }

  /** `moved` of `of` bytes that are to be moved; what need not be is here, or a hole. */
  moved({ digest, bytes }: ArtifactRef, moved: number, of: number): void {
    this.come.set(digest, Math.max(0, bytes - of + moved));
  }

  /** It is here, or does not come. */
  settled(digest: string): void {
    this.come.delete(digest);
  }

  /** For each attempt that waits, by its key. */
  get fetched(): ReadonlyMap<string, Fetched> {
    return new Map([...this.awaited].map(([key, inputs]) => [key, this.fetchedOf(inputs)]));
  }

  private fetchedOf(inputs: readonly ArtifactRef[]): Fetched {
    let [here, of] = [0, 0];
    for (const { digest, bytes } of inputs) {
      of += bytes;
      here += this.isHere(digest) ? bytes : Math.min(bytes, this.come.get(digest) ?? 0);
    }
    return { bytes: here, of };
  }
}
