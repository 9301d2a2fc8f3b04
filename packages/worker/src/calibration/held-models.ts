/** The models that write among what this worker's store has: something to measure with. Reads headers alone, each once. */
import { type ArtifactStore, readModel } from '@gryphgen/runtime';
import { bytesPerToken } from '@gryphgen/scheduler';

export interface HeldModel {
  /** Of its content. */
  readonly id: string;
  readonly path: string;
  readonly bytes: number;
  /** Of its weights, that each token reads. */
  readonly tokenBytes: number;
}

export class HeldModels {
  private readonly store: Pick<ArtifactStore, 'filesFrom' | 'fileOf'>;
  private readonly leastBytes: number;
  /** Null: no model, or none that writes. */
  private readonly known = new Map<string, HeldModel | null>();

  constructor(store: Pick<ArtifactStore, 'filesFrom' | 'fileOf'>, leastBytes: number) {
    this.store = store;
    this.leastBytes = leastBytes;
  }

  /** The largest first. Rejects with what the file system says. */
  async list(): Promise<readonly HeldModel[]> {
    const files = new Map([...this.store.filesFrom(this.leastBytes)].map(({ id, bytes }) => [id, bytes]));
    for (const id of this.known.keys()) if (!files.has(id)) this.known.delete(id);
    for (const [id, bytes] of files) if (!this.known.has(id)) this.known.set(id, await this.read(id, bytes));
    return [...this.known.values()].filter((held) => held !== null).sort((a, b) => b.bytes - a.bytes);
  }

  private async read(id: string, bytes: number): Promise<HeldModel | null> {
    const path = this.store.fileOf(id);
    const read = await readModel(path);
    if (read.kind === 'refused' || !read.model.isGenerative) return null;
    return { id, path, bytes, tokenBytes: bytesPerToken(read.model) };
  }
}
