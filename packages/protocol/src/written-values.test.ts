/** What people write in tasks and is taken, beside what is refused. */
import { describe, expect, it } from 'vitest';
import { imagePattern } from './image-reference.ts';
import { parseDuration } from './units.ts';

describe('an image', () => {
  const digest = `sha256:${'0'.repeat(64)}`;
  it.each([
    'busybox',
    'library/busybox:latest',
    'localhost:5000/a/b',
    '10.0.0.1:5000/a',
    'ghcr.io/ggml-org/llama.cpp:server',
    `My-Registry.example.com/a__b/c-d@${digest}`,
  ])('%s is one', (name) => expect(name).toMatch(imagePattern));
  it.each(['../x', './x', '-r/x', 'r-/x', 'r..io/x', '.r/x', 'r./x', 'a/../b', 'a//b'])(
    '%s is none',
    (name) => expect(name).not.toMatch(imagePattern),
  );
  it('is judged in no time, whatever it is', () => {
    expect(`${'a-'.repeat(250)}!`).not.toMatch(imagePattern);
    expect(`${'a.'.repeat(250)}!`).not.toMatch(imagePattern);
  });
});

describe('a duration', () => {
  it.each([
    ['90', 90_000],
    ['90s', 90_000],
    ['500ms', 500],
    ['1h30m', 5_400_000],
    ['1.5h', 5_400_000],
    ['1d2h3m4s5ms', 93_784_005],
    ['5m5ms', 300_005],
  ])('%s is %i ms', (text, ms) => expect(parseDuration(text)).toBe(ms));
  it.each(['', '100d100d', '1s1h', '1m1m', 's', '1h30', '1 h'])('%o is none', (text) =>
    expect(parseDuration(text)).toBeUndefined(),
  );
});
