/**
 * What is pushed, on its way to the engine. It comes as bytes of announced sizes, config and layers, and leaves as an
 * archive of our own making: so an archive cannot say one thing to us and another to the engine.
 *
 * 1. The config must be what the image's id is the digest of, each layer what the config names: checked as it goes by.
 * 2. The archive's manifest is its last file, and written when all was found right. Without it the engine has nothing to
 *    load: what is cut off, or refused, leaves no image.
 * 3. The manifest gives the image no name: the engine cannot take one from another image.
 */
import { createHash } from 'node:crypto';
import { type Failure, failure, type ImageOrder } from '@gryphgen/protocol';
import { parseJson, tarBlockBytes, tarPadding, writeTarHeader } from '@gryphgen/runtime';
import { z } from 'zod';
import { GatheredBytes } from './gathered-bytes.ts';
import { LayerCheck } from './layer-check.ts';

const configSchema = z.object({
  os: z.string().max(64),
  architecture: z.string().max(64),
  rootfs: z.object({ type: z.literal('layers'), diff_ids: z.array(z.string().max(128)) }),
});

/** Takes some of the archive; resolves when it can take more. */
export type Put = (bytes: Uint8Array) => Promise<void>;

const configName = 'config.json';
const layerName = (nth: number): string => `layer-${nth}.tar`;

export class ImageIntake {
  /** Digests of the layers; empty until the config was read. */
  layers: readonly string[] = [];
  private readonly order: ImageOrder;
  /** `linux/amd64` */
  private readonly platform: string;
  private readonly put: Put;
  private readonly config: GatheredBytes;
  /** Of the part under way. */
  private left: number;
  private nth = 0;
  private layer: LayerCheck | null = null;

  constructor(order: ImageOrder, platform: string, put: Put) {
    this.order = order;
    this.platform = platform;
    this.put = put;
    this.config = new GatheredBytes(order.configBytes);
    this.left = order.configBytes;
  }

  /** Null while all is well. To be awaited before the next; after a failure nothing more is taken. */
  async take(bytes: Uint8Array): Promise<Failure | null> {
    for (let at = 0; at < bytes.length; ) {
      if (this.left === 0) return refused(`it goes on after its ${this.order.layers.length} layers`);
      const piece = bytes.subarray(at, at + this.left);
      at += piece.length;
      this.left -= piece.length;
      const why =
        this.layer === null ? await this.takeConfig(piece) : await this.takeLayer(this.layer, piece);
      if (why !== null) return why;
    }
    return null;
  }

  /** The end of what is sent: whether that was all of it; then the archive is complete. */
  async end(): Promise<Failure | null> {
    if (this.left > 0 || this.nth < this.order.layers.length) return refused('its end is missing');
    const layers = this.order.layers.map((_, nth) => layerName(nth));
    const manifest = Buffer.from(JSON.stringify([{ Config: configName, RepoTags: null, Layers: layers }]));
    await this.put(writeTarHeader('manifest.json', manifest.length));
    await this.put(manifest);
    await this.put(Buffer.alloc(tarPadding(manifest.length) + 2 * tarBlockBytes));
    return null;
  }

  private async takeConfig(piece: Uint8Array): Promise<Failure | null> {
    this.config.add(piece);
    if (this.left > 0) return null;
    const config = this.config.bytes;
    const why = this.judge(config);
    if (why !== null) return why;
    await this.put(writeTarHeader(configName, config.length));
    await this.put(config);
    await this.put(Buffer.alloc(tarPadding(config.length)));
    await this.beginLayer();
    return null;
  }

  private judge(bytes: Buffer): Failure | null {
    const id = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    if (id !== this.order.id) return refused(`its config is that of ${id}, not of ${this.order.id}`);
    const config = configSchema.safeParse(parseJson(bytes.toString())).data;
    if (config === undefined) return refused('its config is not that of an image');
    const platform = `${config.os}/${config.architecture}`;
    if (platform !== this.platform)
      return failure('execution.image', `the image is for ${platform}, this machine is ${this.platform}`);
    this.layers = config.rootfs.diff_ids;
    const [sent, named] = [this.order.layers.length, this.layers.length];
    return sent === named ? null : refused(`${sent} layers are announced, its config names ${named}`);
  }

  private async takeLayer(layer: LayerCheck, piece: Uint8Array): Promise<Failure | null> {
    layer.take(piece);
    if (layer.problem !== '') return refused(`layer ${this.nth + 1}: ${layer.problem}`);
    await this.put(piece);
    if (this.left > 0) return null;
    const problem = layer.end(this.layers[this.nth] ?? '');
    if (problem !== '') return refused(`layer ${this.nth + 1}: ${problem}`);
    await this.put(Buffer.alloc(tarPadding(this.order.layers[this.nth] ?? 0)));
    this.nth += 1;
    await this.beginLayer();
    return null;
  }

  private async beginLayer(): Promise<void> {
    const bytes = this.order.layers[this.nth];
    if (bytes === undefined) return;
    this.layer = new LayerCheck();
    this.left = bytes;
    await this.put(writeTarHeader(layerName(this.nth), bytes));
  }
}

function refused(words: string): Failure {
  return failure('rejected.invalid', `this is not the image that was announced: ${words}`);
}
