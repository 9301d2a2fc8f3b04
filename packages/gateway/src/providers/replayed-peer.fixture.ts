/** A provider as its API describes it: a server that gives the answers it was given, one after the other, and keeps what was asked. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export interface Replayed {
  readonly status: number;
  readonly contentType?: string;
  readonly pieces: readonly string[];
  /** Its connection breaks behind them; or nothing more comes. */
  readonly ends?: 'broken' | 'silent';
}

export interface AskedPeer {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: unknown;
}

export const chatAnswer: Replayed = {
  status: 200,
  pieces: [
    '{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-large","choices":[{"index":0,',
    '"message":{"role":"assistant","content":"Hello there","refusal":null},"finish_reason":"stop"}],',
    '"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}',
  ],
};
export const chatStream: Replayed = {
  status: 200,
  contentType: 'text/event-stream; charset=utf-8',
  pieces: [
    'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n',
    'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"Hello"}}]}\n\n',
    'data: [DONE]\n\n',
  ],
};
export const messageStream: Replayed = {
  status: 200,
  contentType: 'text/event-stream; charset=utf-8',
  pieces: [
    'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[]}}\n\n',
    'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}\n\n',
    'event: message_stop\ndata: {"type":"message_stop"}\n\n',
  ],
};
export const refused = (status: number, words: string): Replayed => ({
  status,
  pieces: [JSON.stringify({ error: { message: words, type: 'invalid_request_error', code: null } })],
});

export class ReplayedPeer {
  readonly asked: AskedPeer[] = [];
  answers: Replayed[] = [];
  private readonly server: Server;

  constructor() {
    this.server = createServer(async (request, response) => {
      const body: unknown = JSON.parse(await text(request));
      this.asked.push({ path: request.url ?? '', headers: request.headers, body });
      const answer = this.answers.shift() ?? refused(500, 'nothing more was recorded');
      const { status, contentType = 'application/json', pieces, ends } = answer;
      const length = Buffer.byteLength(pieces.join(''));
      // What is no stream says how long it is, as each of them does.
      const isWhole = ends === undefined && contentType.startsWith('application/json');
      response.writeHead(status, {
        'content-type': contentType,
        ...(isWhole && { 'content-length': length }),
      });
      for (const piece of pieces) response.write(piece);
      if (ends === 'broken') setImmediate(() => response.destroy());
      else if (ends === undefined) response.end();
      else response.flushHeaders();
    });
  }

  /** Resolves with its URL. */
  async start(): Promise<string> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/v1`;
  }

  async stop(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }
}
