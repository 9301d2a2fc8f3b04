/** What a data endpoint does with a store: gives what is in it, and takes what is brought. */
import type { DataServerOptions } from '../data-server.ts';
import type { OpenStore } from '../duplex-stream.ts';
import { IncomingArtifact } from './incoming-artifact.ts';
import { type ArtifactStore, notHere } from './store.ts';

export function fetchFrom(store: ArtifactStore): NonNullable<DataServerOptions['fetch']> {
  return async (artifact, runs) => {
    if (runs !== null) return store.read(artifact, runs);
    const manifest = await store.manifest(artifact);
    return manifest === undefined ? notHere(artifact) : whole(manifest.encoded);
  };
}

export function storeInto(store: ArtifactStore): OpenStore {
  return async (request, signal) => {
    // It counts as used: it is about to be asked for.
    if ((await store.manifest(request.artifact)) !== undefined) return { failure: null };
    return new IncomingArtifact(store, request, signal);
  };
}

async function* whole(bytes: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield bytes;
}
