import { expect, it } from 'vitest';
import { parseReference, writeReference } from './image-reference.ts';

const hash = `sha256:${'0'.repeat(64)}`;

it.each([
  ['busybox', 'busybox:latest', 'docker.io'],
  ['docker.io/library/busybox:1', 'busybox:1', 'docker.io'],
  ['index.docker.io/team/app', 'team/app:latest', 'docker.io'],
  ['library/busybox', 'busybox:latest', 'docker.io'],
  ['team/app:v1.2', 'team/app:v1.2', 'docker.io'],
  ['localhost/app', 'localhost/app:latest', 'localhost'],
  ['registry:5000/app', 'registry:5000/app:latest', 'registry:5000'],
  ['ghcr.io/a/b/c:2', 'ghcr.io/a/b/c:2', 'ghcr.io'],
  [`127.0.0.1:5000/app@${hash}`, `127.0.0.1:5000/app@${hash}`, '127.0.0.1:5000'],
  [`app:7@${hash}`, `app@${hash}`, 'docker.io'],
])('%s is %s of %s', (text, written, host) => {
  const reference = parseReference(text);
  expect(writeReference(reference)).toBe(written);
  expect(reference.host).toBe(host);
  expect(parseReference(written)).toEqual(reference);
});
