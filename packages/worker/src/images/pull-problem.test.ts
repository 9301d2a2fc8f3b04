/** The sentences are those of real engines (20.10 to 28) and registries. */
import { expect, it } from 'vitest';
import { type PullProblem, pullProblem } from './pull-problem.ts';

const sentences: readonly (readonly [PullProblem, string])[] = [
  ['absent', 'manifest for 127.0.0.1:5000/a:1 not found: manifest unknown: manifest unknown'],
  ['absent', 'failed to resolve reference "127.0.0.1:5000/a:1": 127.0.0.1:5000/a:1: not found'],
  ['forbidden', 'Head "http://127.0.0.1:5000/v2/a/manifests/1": no basic auth credentials'],
  ['forbidden', 'Head "https://r.example.com/v2/a/manifests/1": unauthorized: authentication required'],
  [
    'forbidden',
    "pull access denied for a, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
  ],
  ['unreachable', 'Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused'],
  ['unreachable', 'Get "https://nowhere.invalid/v2/": dial tcp: lookup nowhere.invalid: no such host'],
  ['unreachable', 'Get "https://r.example.com/v2/": net/http: TLS handshake timeout'],
  ['unreachable', 'Get "https://r.example.com/v2/": x509: certificate signed by unknown authority'],
  ['unreachable', 'Get "https://r.example.com/v2/": http: server gave HTTP response to HTTPS client'],
  ['unreachable', 'unexpected EOF'],
  ['unreachable', 'toomanyrequests: You have reached your pull rate limit.'],
  ['unreachable', 'received unexpected HTTP status: 503 Service Unavailable'],
  ['platform', 'no matching manifest for linux/amd64 in the manifest list entries'],
  ['platform', 'no match for platform in manifest sha256:ab: not found'],
  ['platform', 'cannot download image with operating system "windows" when requesting "linux"'],
  ['space', 'write /var/lib/docker/tmp/GetImageBlob1: no space left on device'],
  [
    'space',
    'failed to register layer: Error processing tar file(exit status 1): write /x: no space left on device',
  ],
  ['digest', 'manifest verification failed for digest sha256:ab'],
  ['digest', 'filesystem layer verification failed for digest sha256:ab'],
  ['other', 'something nobody has thought of'],
];

it.each(sentences)('%s: %s', (problem, words) => expect(pullProblem(words)).toBe(problem));
