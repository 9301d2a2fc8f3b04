/** One image to several workers, each at its own pace. */
import { type Client, orderOf, pushImage } from '@gryphgen/client';
import { type Failure, failure, GridError, imageOrderBytes, type NodeDocument } from '@gryphgen/protocol';
import { systemClock } from '@gryphgen/runtime';
import { nodeNamed } from '../node-named.ts';
import type { TransferRow } from '../render/transfer-view.ts';
import type { ImageSource } from './image-source.ts';

/** More share one line out without being any faster together. */
const mostAtOnce = 4;

/** One of the transfers, as it stands. */
export class Transfer {
  readonly worker: string;
  readonly name: string;
  state: TransferRow['state'] = 'waiting';
  failure: Failure | null = null;
  sent = 0;
  private readonly bytes: number;
  private beganMono = 0;
  private endedMono = 0;

  constructor({ id, name }: Pick<NodeDocument, 'id' | 'name'>, bytes: number) {
    this.worker = id;
    this.name = name;
    this.bytes = bytes;
  }

  get row(): TransferRow {
    const { name, state, sent, bytes, failure: why } = this;
    const until = this.endedMono || systemClock.mono();
    return { name, state, sent, bytes, ms: this.beganMono === 0 ? 0 : until - this.beganMono, failure: why };
  }

  async run(client: Client, { image, names }: ImageSource, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    this.beganMono = systemClock.mono();
    try {
      this.state = await pushImage(client, this.worker, {
        order: orderOf(image, names),
        bytes: () => image.bytes(),
        onSent: (sent) => this.onSent(sent),
        signal,
      });
    } catch (error) {
      if (!(error instanceof GridError)) throw error;
      this.state = 'failed';
      this.failure = error.failure;
    } finally {
      this.endedMono = systemClock.mono();
    }
  }

  private onSent(sent: number): void {
    this.sent = sent;
    this.state = sent < this.bytes ? 'sending' : 'loading';
  }
}

export function transfersTo(nodes: readonly NodeDocument[], { image }: ImageSource): readonly Transfer[] {
  return nodes.map((node) => new Transfer(node, imageOrderBytes(image)));
}

export async function runAll(
  client: Client,
  transfers: readonly Transfer[],
  source: ImageSource,
  signal: AbortSignal,
): Promise<void> {
  const left = [...transfers];
  const lane = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift())
      await next.run(client, source, signal);
  };
  await Promise.all(Array.from({ length: mostAtOnce }, lane));
}

/** `skipped`: name and why, where nobody was named. */
export function targetsOf(
  nodes: readonly NodeDocument[],
  asked: readonly string[],
): { readonly targets: readonly NodeDocument[]; readonly skipped: readonly string[] } {
  if (asked.length > 0) {
    return { targets: [...new Set(asked.map((name) => nodeNamed(nodes, name)))], skipped: [] };
  }
  const judged = nodes.map((node) => ({ node, why: whyNot(node) }));
  const targets = judged.filter(({ why }) => why === '').map(({ node }) => node);
  const skipped = judged.filter(({ why }) => why !== '').map(({ node, why }) => `${node.name} ${why}`);
  if (targets.length === 0) {
    const words = skipped.length === 0 ? 'it has no workers' : skipped.join(', ');
    throw new GridError(failure('rejected.state', `nobody on this grid can take an image: ${words}`));
  }
  return { targets, skipped };
}

function whyNot({ state, report }: NodeDocument): string {
  if (state === 'away' || report === null) return 'is away';
  if (!report.capabilities.includes('container')) return 'runs no containers';
  if (!report.transfers?.includes('image')) return 'takes no pushed images';
  return '';
}
