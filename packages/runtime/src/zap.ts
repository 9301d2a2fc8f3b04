/**
 * The door. libzmq asks this handler (ZAP, rfc.zeromq.org/spec/27) about every CURVE handshake on the sockets of its
 * context; a key that is not admitted never gets to say a word. One handler per context.
 */
import { type Context, Router } from 'zeromq';
import { encodeZ85 } from './z85.ts';

const endpoint = 'inproc://zeromq.zap.01';

export interface ZapCounters {
  admitted: number;
  refused: number;
}

export class ZapHandler {
  readonly counters: ZapCounters = { admitted: 0, refused: 0 };
  private readonly socket: Router;
  private readonly admits: (curveKey: string, address: string) => boolean;
  private answering: Promise<void> | undefined;

  /** `admits` is given the peer's CURVE public key in Z85, and where it comes from. */
  constructor(context: Context, admits: (curveKey: string, address: string) => boolean) {
    this.socket = new Router({ context, linger: 0 });
    this.admits = admits;
  }

  /** Before the sockets it guards are bound: libzmq lets everybody in when nobody answers. */
  async start(): Promise<void> {
    await this.socket.bind(endpoint);
    this.answering = this.answer();
  }

  async stop(): Promise<void> {
    if (!this.socket.closed) this.socket.close();
    await this.answering;
  }

  private async answer(): Promise<void> {
    for await (const [peer, , version, request, , address, , mechanism, key] of this.socket) {
      // Closed between the asker's words and now.
      if (this.socket.closed) return;
      if (!peer || !request) continue;
      const known = String(version) === '1.0' && String(mechanism) === 'CURVE' && key?.length === 32;
      const admitted = known && this.admits(encodeZ85(key), String(address ?? ''));
      this.counters[admitted ? 'admitted' : 'refused']++;
      const [status, text] = admitted ? ['200', 'OK'] : ['400', 'this key is not authorised'];
      await this.socket.send([peer, '', '1.0', request, status ?? '', text ?? '', '', '']);
    }
  }
}
