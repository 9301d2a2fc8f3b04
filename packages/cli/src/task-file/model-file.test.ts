/** Task files that ask models. */
import { describe, expect, it } from 'vitest';
import { readTaskFile } from './task-file.ts';

const read = (text: string) => readTaskFile('f.yaml', Buffer.from(text));

function requestIn(text: string): unknown {
  const found = read(text);
  if (!found.ok) throw new Error(found.problems.join('; '));
  const { body } = found.spec as { body: { request: Uint8Array; path: string } };
  return [body.path, JSON.parse(Buffer.from(body.request).toString())];
}

describe('a task that asks a model', () => {
  it('by a prompt', () => {
    const text = 'kind: infer\nmodel: tiny\nsystem: Be brief.\nprompt: Why?\nmaxTokens: 9\ntimeout: 1m\n';
    expect(requestIn(text)).toEqual([
      '/v1/chat/completions',
      {
        messages: [
          { role: 'system', content: 'Be brief.' },
          { role: 'user', content: 'Why?' },
        ],
        max_tokens: 9,
      },
    ]);
    expect(read(text)).toMatchObject({
      spec: { kind: 'infer', model: 'tiny', timeoutMs: 60_000, durable: true, resources: { cpuMilli: 0 } },
    });
  });

  it('by messages, by texts, by a query', () => {
    expect(requestIn('kind: infer\nmodel: a\nmessages: [{ role: user, content: x }]\n')).toEqual([
      '/v1/chat/completions',
      { messages: [{ role: 'user', content: 'x' }] },
    ]);
    expect(requestIn('kind: embed\nmodel: a\ninput: one\n')).toEqual(['/v1/embeddings', { input: ['one'] }]);
    expect(requestIn('kind: embed\nmodel: a\ninput: [one, two]\n')).toEqual([
      '/v1/embeddings',
      { input: ['one', 'two'] },
    ]);
    expect(requestIn('kind: rerank\nmodel: a\nquery: q\ndocuments: [b, c]\n')).toEqual([
      '/v1/rerank',
      { query: 'q', documents: ['b', 'c'] },
    ]);
  });

  it("by its server's own request", () => {
    const text = 'kind: infer\nmodel: a\npath: /v1/completions\nrequest: { prompt: x, n: 2, stop: [a, b] }\n';
    expect(requestIn(text)).toEqual(['/v1/completions', { prompt: 'x', n: 2, stop: ['a', 'b'] }]);
  });
});

const laughs = `request:\n  a0: &a0 [x]\n${Array.from({ length: 9 }, (_, n) => `  a${n + 1}: &a${n + 1} [${`*a${n},`.repeat(9)}]\n`).join('')}`;

it.each([
  ['no model', 'kind: infer\nprompt: x\n', 'a task of kind infer needs a model'],
  ['nothing asked', 'kind: infer\nmodel: a\n', 'expected either a prompt or messages'],
  [
    'both',
    'kind: infer\nmodel: a\nprompt: x\nmessages: [{role: user, content: y}]\n',
    '3:1: prompt: expected either',
  ],
  ['half a message', 'kind: infer\nmodel: a\nmessages: [{role: user}]\n', 'messages[0]: expected both'],
  ['a role', 'kind: infer\nmodel: a\nmessages: [{role: usr, content: x}]\n', 'did you mean user?'],
  [
    'another kind’s words',
    'kind: embed\nmodel: a\nprompt: x\n',
    '3:1: prompt: is not of kind embed, which asks with input',
  ],
  [
    'words and a request',
    'kind: infer\nmodel: a\nprompt: x\nrequest: { a: 1 }\n',
    'expected either a request or prompt',
  ],
  [
    'a path alone',
    'kind: infer\nmodel: a\nprompt: x\npath: /infill\n',
    '4:1: path: expected a request for it',
  ],
  [
    'another kind’s path',
    'kind: embed\nmodel: a\npath: /infill\nrequest: { a: 1 }\n',
    '3:1: path: found /infill, expected one of /v1/embeddings',
  ],
  [
    'a path of none',
    'kind: infer\nmodel: a\npath: /x\nrequest: { a: 1 }\n',
    'expected one of /v1/chat/completions',
  ],
  ['a request that is text', 'kind: infer\nmodel: a\nrequest: x\n', 'request: found "x", expected a map'],
  ['a request of laughs', `kind: infer\nmodel: a\n${laughs}`, 'request: its aliases name too much'],
  [
    'a command',
    'kind: infer\nmodel: a\nprompt: x\ncommand: [ls]\n',
    '4:1: command: a task that asks a model runs nothing',
  ],
  ['resources', 'kind: infer\nmodel: a\nprompt: x\nresources: { cpu: 2 }\n', 'runs nothing of its own'],
  ['a name of none', 'kind: infer\nmodel: a/b\nprompt: x\n', "expected a model's name"],
  ['no texts', 'kind: embed\nmodel: a\ninput: []\n', 'expected an input: a text or a list'],
  ['no documents', 'kind: rerank\nmodel: a\nquery: x\n', 'expected both a query and documents'],
  ['a process that asks', 'command: [ls]\nmodel: a\n', '2:1: model: a process task asks no model'],
])('%s is told', (_, text, problem) => {
  const found = read(text);
  expect(found.ok ? [] : found.problems).toContainEqual(expect.stringContaining(problem));
});
