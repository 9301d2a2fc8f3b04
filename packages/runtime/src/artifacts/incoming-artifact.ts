/**
 * One artifact on its way from who brings it into the store: its manifest, then those of its chunks that are missing,
 * which the store tells. What is cut off stays for who goes on with it.
 */
import { type Failure, failure } from '@gryphgen/protocol';
import type { TransferEnd } from '../data-wire.ts';
import type { Duplex, DuplexOutput, StoreRequest } from '../duplex-stream.ts';
import type { ArtifactIntake } from './intake.ts';
import { readManifest } from './manifest.ts';
import type { ArtifactOwners } from './owners.ts';
import type { ArtifactStore } from './store.ts';

export class IncomingArtifact implements Duplex {
  readonly output: AsyncIterable<DuplexOutput>;
  readonly ended: Promise<TransferEnd>;
  private readonly store: ArtifactStore;
  private readonly request: StoreRequest;
  private readonly manifest: Buffer[] = [];
  private manifestBytes = 0;
  private intake: ArtifactIntake | null = null;
  private isOver = false;
  private readonly owners: ArtifactOwners | undefined;
  private isAdmitted = false;
  private tellEnd: (end: TransferEnd) => void = () => undefined;
  private tellRuns: (runs: readonly number[] | null) => void = () => undefined;

  constructor(store: ArtifactStore, request: StoreRequest, signal: AbortSignal, owners?: ArtifactOwners) {
    this.store = store;
    this.owners = owners;
    this.request = request;
    const runs = new Promise<readonly number[] | null>((resolve) => {
      this.tellRuns = resolve;
    });
    this.ended = new Promise((resolve) => {
      this.tellEnd = resolve;
    });
    this.output = asked(runs);
    const left = (): void =>
      void this.over(failure('cancelled.user', 'the artifact was not sent to its end'));
    signal.addEventListener('abort', left, { once: true });
    void this.ended.then(() => signal.removeEventListener('abort', left));
    if (signal.aborted) left();
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.isOver) return;
    const why = this.intake === null ? await this.takeManifest(bytes) : await this.intake.take(bytes);
    if (why !== null) await this.over(why);
  }

  endInput(): void {
    if (!this.isOver) void this.finish();
  }

  resize(): void {}

  private async finish(): Promise<void> {
    const why =
      this.intake === null
        ? failure('lost.link', 'the manifest of the artifact did not come to its end')
        : await this.intake.end();
    await this.over(why);
  }

  private async takeManifest(bytes: Uint8Array): Promise<Failure | null> {
    const { artifact, manifestBytes } = this.request;
    this.manifest.push(Buffer.from(bytes));
    this.manifestBytes += bytes.length;
    if (this.manifestBytes > manifestBytes)
      return failure('rejected.invalid', 'the manifest of the artifact is longer than was announced');
    if (this.manifestBytes < manifestBytes) return null;
    const manifest = readManifest(Buffer.concat(this.manifest));
    if ('code' in manifest) return manifest;
    if (manifest.digest !== artifact)
      return failure('rejected.invalid', `this is the manifest of ${manifest.digest}, not of ${artifact}`);
    const refused = (await this.owners?.admit(this.request.owner, manifest)) ?? null;
    if (refused !== null) return refused;
    this.isAdmitted = true;
    if (this.isOver) this.settle();
    if (this.isOver) return null;
    const intake = await this.store.begin(manifest);
    if (intake === null) {
      await this.over(null);
      return null;
    }
    if ('code' in intake) return intake;
    this.intake = intake;
    // Its sender has left meanwhile.
    if (this.isOver) await intake.abandon();
    this.tellRuns(intake.runs);
    return null;
  }

  private async over(why: Failure | null): Promise<void> {
    if (this.isOver) return;
    this.isOver = true;
    await this.intake?.abandon();
    this.settle();
    this.tellRuns(null);
    this.tellEnd({ failure: why });
  }

  private settle(): void {
    if (this.isAdmitted) this.owners?.settle(this.request.owner, this.request.artifact);
    this.isAdmitted = false;
  }
}

async function* asked(runs: Promise<readonly number[] | null>): AsyncGenerator<DuplexOutput, void> {
  const wanted = await runs;
  if (wanted !== null) yield { stream: 'stdout', bytes: Buffer.from(JSON.stringify(wanted)) };
}
