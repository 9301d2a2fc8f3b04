/** What a data endpoint does with a store: gives what is in it, and takes what is brought. */
import type { DataServerOptions } from '../data-server.ts';
import type { OpenStore } from '../duplex-stream.ts';
import { IncomingArtifact } from './incoming-artifact.ts';
import type { ArtifactOwners } from './owners.ts';
import { type ArtifactStore, notHere } from './store.ts';

export function fetchFrom(store: ArtifactStore): NonNullable<DataServerOptions['fetch']> {
  return async (artifact, runs) => {
    if (runs !== null) return store.read(artifact, runs);
    const manifest = await store.manifest(artifact);
    return manifest === undefined ? notHere(artifact) : whole(manifest.encoded);
  };
}

/** `owners`: absent where nobody's part is bounded. */
export function storeInto(store: ArtifactStore, owners?: ArtifactOwners): OpenStore {
  return async (request, signal) => {
    // It counts as used: it is about to be asked for.
    const manifest = await store.manifest(request.artifact);
    if (manifest === undefined) return new IncomingArtifact(store, request, signal, owners);
    const why = (await owners?.admit(request.owner, manifest)) ?? null;
    if (why === null) owners?.settle(request.owner, request.artifact);
    return { failure: why };
  };
}

async function* whole(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield bytes;
}
