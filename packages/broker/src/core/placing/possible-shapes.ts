/** Shapes that some worker could take if it were free: what no worker ever could is refused at once. */
import { type Envelope, type Failure, limits } from '@gryphgen/protocol';
import { place, type WorkerView } from '@gryphgen/scheduler';

export class PossibleShapes {
  /** Found possible since the workers last changed. */
  private readonly known = new Set<string>();
  private changes = 0;

  /** Why the shape can never be placed on these workers, or undefined. */
  refusal(shapeKey: string, envelope: Envelope, workers: readonly WorkerView[]): Failure | undefined {
    if (this.known.has(shapeKey)) return undefined;
    const placement = place(envelope, workers);
    if (placement.kind === 'impossible') return placement.failure;
    if (this.known.size >= limits.envelopes) this.known.clear();
    this.known.add(shapeKey);
    return undefined;
  }

  /** A worker came, went for good, or has other things than before. */
  workersChanged(): void {
    this.known.clear();
    this.changes += 1;
  }

  /** As long as it is the same, what could never be placed never could. */
  get version(): number {
    return this.changes;
  }
}
