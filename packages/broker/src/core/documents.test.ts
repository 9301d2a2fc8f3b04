import { encodeBody, type TaskDocument } from '@gryphgen/protocol';
import { expect, test } from 'vitest';
import { CoreFixture, sent } from './core.fixture.ts';

/** The document of a container that has ended so. */
function shown(outcome: Uint8Array): TaskDocument {
  const grid = new CoreFixture();
  const worker = grid.worker('w-1');
  const client = grid.client('submitter');
  grid.submit(client, 1, { kind: 'container' });
  const about = { task: 1, attempt: 1, epoch: 1, exitCode: 0, failure: null, ranMs: 5 };
  grid.say(worker, { kind: 'result', ...about, outcome } as never);
  const effects = grid.say(client, { kind: 'request', id: 9, op: 'show', args: { task: 1 } });
  return sent(effects, 'reply')[0]?.result as TaskDocument;
}

test('a task tells the image that it ran of, as its worker has told with the result', () => {
  const image = { id: `sha256:${'1'.repeat(64)}`, digest: `sha256:${'2'.repeat(64)}` };
  expect(shown(encodeBody({ image }))).toMatchObject({ state: 'succeeded', image });
});

test.each([
  ['nothing', new Uint8Array(0)],
  ['no image', encodeBody({ image: { id: 'sha256:x\u001b[2J' } })],
  ['no msgpack', Buffer.from([0xc1])],
])('a task whose worker has told %s is shown without', (_, outcome) => {
  const document = shown(outcome);
  expect(document.state).toBe('succeeded');
  expect(document).not.toHaveProperty('image');
});
