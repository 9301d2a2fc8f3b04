/**
 * The HTTP server before the grid's models: OpenAI's API for whoever has a key.
 *
 * 1. Everything a stranger can make it hold is bounded: connections, headers, bodies, and how long each may take to come.
 * 2. Once it stops it takes no connection; what is under way has `drainMs`, and is then told that it ends.
 */
import { once } from 'node:events';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { failure, GridError } from '@gryphgen/protocol';
import { ApiHandler, type HandlerOptions } from './api-handler.ts';
import { defaultBounds, type GatewayBounds } from './gateway-bounds.ts';

export interface GatewayOptions extends Omit<HandlerOptions, 'bounds'> {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** PEM. */
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer } | undefined;
  readonly bounds?: Partial<GatewayBounds>;
}

export class Gateway {
  private readonly options: GatewayOptions;
  private readonly bounds: GatewayBounds;
  private readonly handler: ApiHandler;
  private readonly server: Server;
  private readonly open = new Set<ServerResponse>();
  private isStopping = false;
  /** The answer on each connection, to know whether an error can be told there. */
  private readonly answering = new WeakMap<Duplex, ServerResponse>();

  /** Throws GridError `rejected.invalid` for a certificate or key that is none. */
  constructor(options: GatewayOptions) {
    this.options = options;
    this.bounds = { ...defaultBounds, ...options.bounds };
    this.handler = new ApiHandler({ ...options, bounds: this.bounds });
    this.server = this.makeServer((request, response) => this.take(request, response));
    this.server.on('checkContinue', (request, response) =>
      this.take(request, response, () => response.writeContinue()),
    );
    this.server.on('clientError', (error: NodeJS.ErrnoException, socket) => this.refuse(error, socket));
    this.server.on('drop', () => this.handler.metrics.badConnection('too many'));
    this.server.maxConnections = this.bounds.connections;
  }

  /** Resolves with its URL when it answers; rejects with what the system says, such as EADDRINUSE. */
  async start(): Promise<string> {
    const { host, port, tls } = this.options;
    this.server.listen(port, host);
    await once(this.server, 'listening');
    const { address, port: bound, family } = this.server.address() as AddressInfo;
    const shown = family === 'IPv6' ? `[${address}]` : address;
    return `${tls === undefined ? 'http' : 'https'}://${shown}:${bound}`;
  }

  async stop(): Promise<void> {
    if (!this.server.listening) return;
    const closed = once(this.server, 'close');
    this.isStopping = true;
    this.server.close();
    this.closeUnused();
    const { drainMs } = this.bounds;
    const cancelEnd = this.options.alarms.after(drainMs, () =>
      this.handler.endAll('the gateway is stopping'),
    );
    // Who does not take even that.
    const cancelBreak = this.options.alarms.after(2 * drainMs, () => this.server.closeAllConnections());
    await closed;
    cancelEnd();
    cancelBreak();
  }

  private take(request: IncomingMessage, response: ServerResponse, goOn?: () => void): void {
    this.answering.set(request.socket, response);
    this.open.add(response);
    response.once('close', () => {
      this.open.delete(response);
      if (this.isStopping) this.closeUnused();
    });
    void this.handler.handle(request, response, goOn);
  }

  /** Node takes a connection on which nothing was asked yet for one in use. */
  private closeUnused(): void {
    if (this.open.size === 0) this.server.closeAllConnections();
    else this.server.closeIdleConnections();
  }

  private makeServer(listener: RequestListener): Server {
    const { tls } = this.options;
    const { headerBytes, headersMs, requestMs, lookMs, keepAliveMs } = this.bounds;
    const bounds = {
      maxHeaderSize: headerBytes,
      headersTimeout: headersMs,
      requestTimeout: requestMs,
      connectionsCheckingInterval: lookMs,
      keepAliveTimeout: keepAliveMs,
      noDelay: true,
    };
    if (tls === undefined) return createServer(bounds, listener);
    try {
      return createTlsServer({ ...bounds, ...tls, handshakeTimeout: headersMs }, listener);
    } catch (error) {
      const words = `--tls-cert and --tls-key: ${error instanceof Error ? error.message : String(error)}`;
      throw new GridError(failure('rejected.invalid', words), error);
    }
  }

  /** What came was no request, or did not come in time. */
  private refuse({ code = '' }: NodeJS.ErrnoException, socket: Duplex): void {
    const [status, reason, words] = refusals[code] ?? notHttp;
    this.handler.metrics.badConnection(reason);
    const answer = this.answering.get(socket);
    const mayTell = answer === undefined || answer.writableFinished || !answer.headersSent;
    if (!socket.writable || !mayTell) {
      socket.destroy();
      return;
    }
    const error = {
      message: words,
      type: 'invalid_request_error',
      param: null,
      code: reason.replaceAll(' ', '_'),
    };
    const body = JSON.stringify({ error });
    const head = `HTTP/1.1 ${status}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}`;
    socket.end(`${head}\r\nconnection: close\r\n\r\n${body}`);
  }
}

type Refusal = readonly [status: string, reason: string, words: string];
const notHttp: Refusal = ['400 Bad Request', 'no http', 'this is no request of HTTP/1.1'];
const refusals: Readonly<Record<string, Refusal>> = {
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'too slow', 'the request did not come in time'],
  HPE_HEADER_OVERFLOW: [
    '431 Request Header Fields Too Large',
    'header too large',
    `the headers are longer than ${defaultBounds.headerBytes} bytes`,
  ],
};
