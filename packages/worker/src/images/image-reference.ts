/** An image's name, taken apart as Docker does, and written as Docker shows it. */
import { cutReference } from '@gryphgen/protocol';

export interface ImageReference {
  /** Without what Docker leaves out: `busybox`, `team/app`, `registry:5000/app`. */
  readonly name: string;
  /** The registry: `registry:5000`, `docker.io`. */
  readonly host: string;
  /** `latest` where nothing is named; '' where there is a digest, which is then all that counts. */
  readonly tag: string;
  /** `sha256:…`, or ''. */
  readonly digest: string;
}

export const defaultHost = 'docker.io';

/** Of what `imagePattern` takes. */
export function parseReference(text: string): ImageReference {
  const { name, tag, digest } = cutReference(text);
  const [host, path] = splitHost(name);
  return {
    name: host === defaultHost ? path.replace(/^library\//, '') : `${host}/${path}`,
    host,
    tag: digest === '' ? tag || 'latest' : '',
    digest,
  };
}

/** `busybox:latest`, `registry:5000/app@sha256:…`. */
export function writeReference({ name, tag, digest }: ImageReference): string {
  return digest === '' ? `${name}:${tag}` : `${name}@${digest}`;
}

/** The first part is a host when it cannot be part of a path: it has a dot or a port, or is `localhost`. */
function splitHost(name: string): readonly [host: string, path: string] {
  const slash = name.indexOf('/');
  const first = name.slice(0, Math.max(0, slash));
  if (!/[.:]/.test(first) && first !== 'localhost') return [defaultHost, name];
  const path = name.slice(slash + 1);
  return [first === 'index.docker.io' ? defaultHost : first, path];
}
