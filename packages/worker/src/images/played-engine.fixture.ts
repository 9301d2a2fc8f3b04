/** For tests of pushed images: an engine that loads what it is given, when the test lets it. */
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import type { Readable } from 'node:stream';
import type { PresentImage } from './engine-images.ts';
import { platform } from './pushed.fixture.ts';

/** Loads what it is given, whole. */
export class PlayedEngine {
  readonly images = new Map<string, { tags: string[]; bytes: number }>();
  /** What it was given. */
  archives: Buffer[] = [];
  loads = 0;
  /** What it says instead of loading. */
  words = '';
  /** What it calls what it has loaded. */
  id: string;
  layers: readonly string[] = [];
  gate: Promise<void> = Promise.resolve();
  takes = true;

  constructor(id: string) {
    this.id = id;
  }

  async inspect(image: string): Promise<PresentImage | null> {
    const found = [...this.images].find(([id, { tags }]) => id === image || tags.includes(image));
    if (found === undefined) return null;
    const [id, { tags, bytes }] = found;
    const config = { user: '', stopSignal: '', entrypoint: [], command: [] };
    return { id, references: tags, digests: [], tags, bytes, platform, layers: this.layers, ...config };
  }

  async load(archive: Readable, signal: AbortSignal): Promise<string> {
    this.loads += 1;
    const pieces: Buffer[] = [];
    if (this.takes) archive.on('data', (piece: Buffer) => pieces.push(piece));
    await Promise.race([
      once(archive, 'end'),
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted')))),
    ]);
    await this.gate;
    if (this.words !== '') throw new Error(this.words);
    const all = Buffer.concat(pieces);
    this.archives.push(all);
    const { id } = this;
    if (!this.images.has(id)) this.images.set(id, { tags: [], bytes: all.length });
    return id;
  }

  async tag(id: string, name: string): Promise<void> {
    for (const { tags } of this.images.values()) if (tags.includes(name)) tags.splice(tags.indexOf(name), 1);
    this.images.get(id)?.tags.push(name);
  }

  async remove(name: string): Promise<void> {
    for (const [id, { tags }] of this.images) if (id === name || tags.includes(name)) this.images.delete(id);
  }

  async platform(): Promise<string> {
    return platform;
  }

  async rootFolder(): Promise<string> {
    return tmpdir();
  }

  list = async () => Promise.all([...this.images.keys()].map((id) => this.inspect(id)));
  inUse = async () => new Set<string>();
}
