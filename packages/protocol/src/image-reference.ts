/** Names of images, and patterns of them. */

/** docker's grammar: [registry[:port]/]path[:tag][@sha256:…]; no part of a registry's name is empty. */
export const imagePattern =
  /^(?:[a-zA-Z0-9]+(?:(?:\.|-+)[a-zA-Z0-9]+)*(?::[0-9]{1,5})?\/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*(?::[\w][\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$/;

export interface ImageParts {
  readonly name: string;
  /** '' where none is said. */
  readonly tag: string;
  /** `sha256:…`, or ''. */
  readonly digest: string;
}

/** An image's name or a pattern of it, in its parts as they are written. */
export function cutReference(reference: string): ImageParts {
  const [named = '', digest = ''] = reference.split('@');
  const colon = named.lastIndexOf(':');
  const tagged = colon > named.lastIndexOf('/');
  return {
    name: tagged ? named.slice(0, colon) : named,
    tag: tagged ? named.slice(colon + 1) : '',
    digest,
  };
}

/** With the whole name: `busybox` is of `docker.io/library`, as docker has it. */
function partsOf(reference: string): ImageParts {
  const parts = cutReference(reference);
  return { ...parts, name: fullName(parts.name) };
}

function fullName(name: string): string {
  if (name === '*') return name;
  const slash = name.indexOf('/');
  if (slash === -1) return `docker.io/library/${name}`;
  const first = name.slice(0, slash);
  const isRegistry = /[.:*]/.test(first) || first === 'localhost';
  return isRegistry ? name : `docker.io/${name}`;
}

/** Whether both name the same: `busybox` is `docker.io/library/busybox:latest`. With a digest, tags do not count. */
export function isSameImage(one: string, other: string): boolean {
  const [a, b] = [partsOf(one), partsOf(other)];
  if (a.name !== b.name || a.digest !== b.digest) return false;
  return a.digest !== '' || (a.tag || 'latest') === (b.tag || 'latest');
}

export function isImagePattern(pattern: string): boolean {
  return pattern.length <= 128 && imagePattern.test(pattern.replaceAll('*', 'x'));
}

/**
 * Whether one of the patterns covers the image. `*` stands for any characters within the name or the tag; a pattern
 * without a tag covers every tag and digest. A pattern with a tag covers no image that names a digest: which tag it once
 * had cannot be seen.
 */
export function allowsImage(patterns: readonly string[], image: string): boolean {
  const { name, tag, digest } = partsOf(image);
  return patterns.some((pattern) => {
    const allowed = partsOf(pattern);
    if (!covers(allowed.name, name)) return false;
    if (allowed.digest !== '') return allowed.digest === digest;
    if (allowed.tag === '') return true;
    return digest === '' && covers(allowed.tag, tag || 'latest');
  });
}

/** In time proportional to both lengths, whatever the pattern. */
export function covers(pattern: string, text: string): boolean {
  let [at, from, star, retry] = [0, 0, -1, 0];
  while (from < text.length) {
    if (pattern[at] === '*') {
      star = at++;
      retry = from;
    } else if (pattern[at] === text[from]) {
      at += 1;
      from += 1;
    } else if (star !== -1) {
      at = star + 1;
      from = ++retry;
    } else return false;
  }
  while (pattern[at] === '*') at += 1;
  return at === pattern.length;
}
