/**
 * Why a pull failed. The engine passes on what the registry, the network or the disk said as a sentence and hardly more:
 * what kind of trouble it is must be read from that.
 */

/**
 * `absent`: the registry has no such image. `forbidden`: not for this worker. `digest`: what came is not what was named.
 * `platform`: not for this kind of machine. `space`: this machine's disk. `unreachable`: the registry does not answer, or
 * not to the end. `credentials`: those of this worker cannot be used. `engine`: it does not answer. `other`: the words
 * alone must do.
 */
export type PullProblem =
  | 'absent'
  | 'forbidden'
  | 'digest'
  | 'platform'
  | 'space'
  | 'unreachable'
  | 'credentials'
  | 'engine'
  | 'other';

/** The first that fits counts: a registry that denies often adds that the image may not exist. */
const signs: readonly (readonly [PullProblem, RegExp])[] = [
  ['space', /no space left on device|disk quota exceeded/],
  ['digest', /verification failed|unexpected (?:commit )?digest|digest mismatch|invalid checksum/],
  ['platform', /no match(?:ing manifest)? for|specified platform|operating system/],
  ['forbidden', /unauthorized|denied|no basic auth credentials|authentication required|forbidden/],
  ['absent', /manifest unknown|name unknown|not found|unknown manifest/],
  [
    'unreachable',
    /connection re(?:fused|set)|no such host|server misbehaving|i\/o timeout|\beof\b|broken pipe|no route to host|network is unreachable|deadline exceeded|timeout|tls|x509|gave http response|too ?many ?requests|internal server error|bad gateway|service unavailable/,
  ],
];

export function pullProblem(words: string): PullProblem {
  const lower = words.toLowerCase();
  return signs.find(([, sign]) => sign.test(lower))?.[0] ?? 'other';
}
