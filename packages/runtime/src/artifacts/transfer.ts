/** An artifact over a data endpoint, as its client brings or fetches it. */
import { type Failure, failure, limits } from '@gryphgen/protocol';
import { z } from 'zod';
import type { Clock } from '../clock.ts';
import { readData } from '../data-client.ts';
import type { DataPlace } from '../data-connection.ts';
import type { TransferEnd } from '../data-wire.ts';
import { type DuplexSession, openDuplex } from '../duplex-session.ts';
import { Pace } from '../pace.ts';
import { readManifest } from './manifest.ts';
import { Pieces } from './pieces.ts';
import { readPieces } from './read-pieces.ts';
import type { Scanned } from './scan-path.ts';
import type { ArtifactStore } from './store.ts';

export interface ArtifactTransfer extends DataPlace {
  readonly grant: string;
  readonly signal?: AbortSignal;
  /** How many bytes were moved, of how many there are to move now. */
  readonly onMoved?: (bytes: number, of: number) => void;
}

const runsSchema = z.array(z.number().int().min(0));
/** Asked for chunk by chunk, the runs of one question are as many. */
const none: readonly number[] = [];

/** Null when it is there, whole. What was sent by then is not sent again by the next try. */
export async function storeArtifact(
  { manifest, sources }: Scanned,
  { grant, signal, onMoved, ...place }: ArtifactTransfer,
): Promise<Failure | null> {
  const { digest: artifact, encoded } = manifest;
  const request = { kind: 'store', artifact, manifestBytes: encoded.length, grant } as const;
  const session = await openDuplex({ ...place, request });
  if ('failure' in session) return session.failure;
  const leave = (): void => void session.close();
  signal?.addEventListener('abort', leave, { once: true });
  if (signal?.aborted) leave();
  const send = async (): Promise<void> => {
    await session.write(encoded);
    const runs = await wantedRuns(session);
    const pieces = new Pieces(manifest);
    const numbers = pieces.numbers(runs) ?? none;
    const of = pieces.bytesOf(numbers);
    onMoved?.(0, of);
    let sent = 0;
    for await (const bytes of readPieces(
      numbers.map((number) => pieces.piece(number)),
      (id) => sources.get(id) ?? '',
    )) {
      if (!(await session.write(bytes))) return;
      sent += bytes.length;
      onMoved?.(sent, of);
    }
    session.endInput();
  };
  let problem: unknown;
  send().catch((error: unknown) => {
    problem = error;
    leave();
  });
  try {
    const { failure: why }: TransferEnd = await session.ended;
    if (problem !== undefined) return failure('rejected.invalid', `it cannot be read: ${String(problem)}`);
    return signal?.aborted ? cancelled() : why;
  } finally {
    signal?.removeEventListener('abort', leave);
    await session.close();
  }
}

async function wantedRuns(session: DuplexSession): Promise<readonly number[]> {
  for await (const { bytes } of session.output()) {
    const parsed = runsSchema.safeParse(JSON.parse(Buffer.from(bytes).toString()));
    return parsed.success ? parsed.data : none;
  }
  return none;
}

/** From this machine's own files. Null when all of it is in the store. */
export async function takeScanned(
  store: ArtifactStore,
  { manifest, sources }: Scanned,
): Promise<Failure | null> {
  const intake = await store.begin(manifest);
  if (intake === null || 'code' in intake) return intake;
  const pieces = new Pieces(manifest);
  const wanted = (pieces.numbers(intake.runs) ?? none).map((number) => pieces.piece(number));
  try {
    for await (const bytes of readPieces(wanted, (id) => sources.get(id) ?? '')) {
      const why = await intake.take(bytes);
      if (why !== null) return why;
    }
    return await intake.end();
  } finally {
    await intake.abandon();
  }
}

/** Null when all of it is in the store. What came by then stays there for the next try. */
export async function fetchArtifact(
  artifact: string,
  store: ArtifactStore,
  { grant, onMoved, clock, ...place }: ArtifactTransfer & { readonly clock: Clock },
): Promise<Failure | null> {
  const read = (runs: readonly number[] | null) =>
    readData(
      { ...place, pace: new Pace(clock) },
      { kind: 'fetch', artifact, runs: runs && [...runs], grant },
    );
  const parts: Uint8Array[] = [];
  let manifestBytes = 0;
  for await (const event of read(null)) {
    if (event.kind === 'end') {
      if (event.failure !== null) return event.failure;
      continue;
    }
    manifestBytes += event.bytes.length;
    // Nothing says how long it is before it is there: who sends it must not fill our memory.
    if (manifestBytes > limits.artifactManifestBytes)
      return failure(
        'rejected.invalid',
        `${place.endpoint} sent more than the ${limits.artifactManifestBytes} bytes a manifest may have`,
      );
    parts.push(event.bytes);
  }
  if (place.signal?.aborted) return cancelled();
  const manifest = readManifest(Buffer.concat(parts));
  if ('code' in manifest) return manifest;
  if (manifest.digest !== artifact)
    return failure(
      'rejected.invalid',
      `${place.endpoint} sent the manifest of ${manifest.digest}, not of ${artifact}`,
    );
  const intake = await store.begin(manifest);
  if (intake === null || 'code' in intake) return intake;
  const { runs, wantedBytes } = intake;
  onMoved?.(0, wantedBytes);
  try {
    if (runs.length > 0)
      for await (const event of read(runs)) {
        const why = event.kind === 'end' ? event.failure : await intake.take(event.bytes);
        if (why !== null) return why;
        onMoved?.(intake.takenBytes, wantedBytes);
      }
    return place.signal?.aborted ? cancelled() : await intake.end();
  } finally {
    await intake.abandon();
  }
}

function cancelled(): Failure {
  return failure('cancelled.user', 'the artifact was not brought to its end');
}
