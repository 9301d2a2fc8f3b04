/** A server of files on this machine, that does with each request what a test says. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Asked {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
}

export class WebServer {
  readonly asked: Asked[] = [];
  private readonly server = createServer((request, response) => {
    this.asked.push({ path: request.url ?? '', headers: request.headers });
    this.answer(request, response);
  });
  /** Of the requests to come. */
  answer: (request: IncomingMessage, response: ServerResponse) => void = (_, response) => {
    response.writeHead(404).end();
  };

  static async open(): Promise<WebServer> {
    const opened = new WebServer();
    opened.server.listen(0, '127.0.0.1');
    await once(opened.server, 'listening');
    return opened;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  url(path: string): URL {
    return new URL(path, this.origin);
  }

  /** What is under way breaks. */
  cut(): void {
    this.server.closeAllConnections();
  }

  async close(): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
  }
}

/** A file with an ETag, of which parts may be asked; `upTo`: then nothing comes. */
export function serve(
  bytes: Buffer,
  { etag = '"one"', upTo, ranges = true }: { etag?: string; upTo?: number; ranges?: boolean } = {},
): WebServer['answer'] {
  return ({ headers }, response) => {
    if (headers['if-none-match'] === etag) {
      response.writeHead(304).end();
      return;
    }
    const [, from] = /^bytes=([0-9]+)-$/.exec(headers.range ?? '') ?? [];
    const isSame = headers['if-range'] === undefined || headers['if-range'] === etag;
    const start = from !== undefined && ranges && isSame ? Number(from) : 0;
    const part = bytes.subarray(start);
    response.writeHead(start > 0 ? 206 : 200, {
      ...{ etag, 'content-length': part.length },
      ...(start > 0 && { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` }),
    });
    if (upTo === undefined) response.end(part);
    else response.write(part.subarray(0, Math.max(0, upTo - start)));
  };
}
