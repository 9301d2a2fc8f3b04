/**
 * An archive of llama.cpp's releases, as GitHub lists them: its address, and the digest that the list vouches for.
 *
 * 1. One without a digest is not taken: it is to be named by address and digest.
 */
import { failure, GridError } from '@gryphgen/protocol';
import { parseJson } from '@gryphgen/runtime';
import { z } from 'zod';
import { placeOf, WebClient, type WebEnvironment } from './web-client.ts';
import { webText } from './web-text.ts';

const usualList = 'https://api.github.com/repos/ggml-org/llama.cpp/releases';
const mostShown = 12;

export interface WantedRelease {
  /** Such as b7000. */
  readonly version: string;
  /** On what it computes: `cpu`, or as the archive's name has it, such as `vulkan`. */
  readonly backend: string;
  /** As Node calls it: x64, arm64. */
  readonly arch: string;
  /** GRID_LLAMA_RELEASES: another list than GitHub's; and proxies. */
  readonly env: WebEnvironment;
  readonly signal?: AbortSignal;
}

const releaseSchema = z.object({
  assets: z
    .array(
      z.object({
        name: z.string().max(256),
        browser_download_url: z.url(),
        digest: z.string().nullish(),
      }),
    )
    .max(1000),
});

/** Throws GridError: no such release, or none of it for this machine. */
export async function engineRelease({ version, backend, arch, env, signal }: WantedRelease): Promise<{
  readonly url: URL;
  readonly sha256: string;
}> {
  const list = env.GRID_LLAMA_RELEASES || usualList;
  if (!URL.canParse(list))
    throw new GridError(
      failure('rejected.invalid', `GRID_LLAMA_RELEASES: found ${JSON.stringify(list)}, expected an address`),
    );
  const url = new URL(`${list.replace(/\/+$/, '')}/tags/${encodeURIComponent(version)}`);
  const web = await WebClient.open(env);
  try {
    const { text } = await webText(web, url, { signal });
    const release = releaseSchema.safeParse(parseJson(text));
    if (!release.success)
      throw new GridError(
        failure('execution.input', `${placeOf(url)} answered with something else than a release`),
      );
    return chosen(release.data.assets, version, backend, arch);
  } finally {
    await web.close();
  }
}

function chosen(
  assets: z.infer<typeof releaseSchema>['assets'],
  version: string,
  backend: string,
  arch: string,
): { readonly url: URL; readonly sha256: string } {
  const wanted = `ubuntu-${backend === 'cpu' ? '' : `${backend}-`}${arch}`;
  const archives = assets.filter(({ name }) => /-bin-ubuntu-.*\.(tar\.gz|zip)$/.test(name));
  const found = archives.find(({ name }) => name.replace(/\.(tar\.gz|zip)$/, '').endsWith(`-bin-${wanted}`));
  if (found === undefined) {
    const there = archives.slice(0, mostShown).map(({ name }) => name);
    const words = there.length === 0 ? 'none for Linux' : there.join(', ');
    throw new GridError(
      failure('rejected.not-found', `${version} has no archive for ${wanted}: it has ${words}`),
    );
  }
  const [, sha256] = /^sha256:([0-9a-f]{64})$/.exec(found.digest ?? '') ?? [];
  if (sha256 !== undefined) return { url: new URL(found.browser_download_url), sha256 };
  const words = `${found.name} is listed without a sha-256: name it by --url and --sha256`;
  throw new GridError(failure('rejected.invalid', words));
}
