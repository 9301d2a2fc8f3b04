import { describe, expect, it } from 'vitest';
import { allowsImage, covers, isImagePattern, isSameImage } from './image-reference.ts';

const digest = `sha256:${'0'.repeat(64)}`;

describe('a pattern of images', () => {
  it.each([
    ['*', 'busybox'],
    ['*', `ghcr.io/acme/a@${digest}`],
    ['busybox', 'busybox'],
    ['busybox', 'busybox:1.36'],
    ['busybox', 'docker.io/library/busybox:1'],
    ['busybox', `busybox@${digest}`],
    ['docker.io/library/busybox', 'busybox'],
    ['busybox:1.*', 'busybox:1.36'],
    ['busybox:latest', 'busybox'],
    ['acme/*', 'docker.io/acme/a/b:1'],
    ['ghcr.io/acme/*', 'ghcr.io/acme/a/b:1'],
    ['localhost:5000/*', 'localhost:5000/x'],
    [`busybox@${digest}`, `busybox:1@${digest}`],
  ])('%s covers %s', (pattern, image) => {
    expect(isImagePattern(pattern)).toBe(true);
    expect(allowsImage([pattern], image)).toBe(true);
  });

  it.each([
    ['busybox', 'evil.io/busybox'],
    ['busybox', 'acme/busybox'],
    ['busybox', 'busybox-evil'],
    ['busybox:1.*', 'busybox:2.1'],
    ['busybox:1.*', 'busybox'],
    ['busybox:1.36', `busybox@${digest}`],
    ['busybox:1.36', `busybox:1.36@${digest}`],
    ['ghcr.io/acme/*', 'ghcr.io/acme-evil/a'],
    ['ghcr.io/acme/*', 'evil.io/ghcr.io/acme/a'],
    ['acme/*', 'ghcr.io/acme/a'],
    [`busybox@${digest}`, 'busybox'],
  ])('%s does not cover %s', (pattern, image) => expect(allowsImage([pattern], image)).toBe(false));

  it('is judged in no time', () => {
    expect(covers(`${'a*'.repeat(60)}b`, 'a'.repeat(500))).toBe(false);
    expect(covers('*a*b*', 'xxaxxbxx')).toBe(true);
  });
});

it('an image has one name, however it is written', () => {
  expect(isSameImage('busybox', 'docker.io/library/busybox:latest')).toBe(true);
  expect(isSameImage('busybox:1', 'busybox')).toBe(false);
  expect(isSameImage(`busybox:1@${digest}`, `busybox@${digest}`)).toBe(true);
  // What the engine would take for the start of an id.
  expect(isSameImage('586d61b739fe', 'busybox:latest')).toBe(false);
});
