/**
 * A layer as it goes by: whether it is the tar that the image's config names, and takes no more of a disk than its own
 * size. The engine would unpack anything before it looked at a digest.
 */
import { createHash } from 'node:crypto';
import { TarWalk } from '@gryphgen/runtime';
import { GatheredBytes } from './gathered-bytes.ts';

export class LayerCheck {
  private readonly hash = createHash('sha256');
  private readonly walk = new TarWalk();
  private seen = 0;
  /** What the walk wants, as far as it has come. */
  private wanted: GatheredBytes | null = null;
  private isCompressed = false;

  /** Why it is no layer; '' as long as it may be. */
  get problem(): string {
    return this.isCompressed ? 'it is compressed' : this.walk.problem;
  }

  take(bytes: Uint8Array): void {
    this.hash.update(bytes);
    for (let { want } = this.walk; want !== null; { want } = this.walk) {
      this.wanted ??= new GatheredBytes(want.bytes);
      const from = want.at + want.bytes - this.wanted.missing - this.seen;
      if (from >= bytes.length) break;
      this.wanted.add(bytes.subarray(from, from + this.wanted.missing));
      if (this.wanted.missing > 0) break;
      const block = this.wanted.bytes;
      this.wanted = null;
      if (want.at === 0) this.isCompressed = looksCompressed(block);
      this.walk.give(block);
    }
    this.seen += bytes.length;
  }

  /** To be called once, at its end: what is wrong with it, or ''. */
  end(digest: string): string {
    if (this.problem !== '') return this.problem;
    const isWithin = this.wanted !== null && !this.wanted.isEmpty;
    if (isWithin || !this.walk.mayEndAt(this.seen)) return 'it ends within an entry';
    const found = `sha256:${this.hash.digest('hex')}`;
    return found === digest ? '' : `it is ${found}, the image's config says ${digest}`;
  }
}

const magics = ['1f8b08', '425a68', 'fd377a585a00', '28b52ffd'];

/** Whether the engine takes it for gzip, bzip2, xz or zstd, and unpacks it: what comes of that may have any size. */
function looksCompressed(block: Buffer): boolean {
  const start = block.toString('hex', 0, 6);
  return magics.some((magic) => start.startsWith(magic)) || /^5.2a4d18/.test(start);
}
