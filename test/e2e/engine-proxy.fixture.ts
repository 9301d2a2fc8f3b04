/**
 * Stands between a worker and the real Docker engine, for machines without a GPU: keeps what was asked for in the way of
 * devices, and takes it out of the request, because the engine here would refuse it. All else passes as it is, but while
 * the engine is made to be silent: what is asked then is answered afterwards.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';

const engineSocket = '/var/run/docker.sock';

interface CreateRequest {
  readonly Env: readonly string[];
  readonly HostConfig: { DeviceRequests?: unknown };
}

export class EngineProxy {
  /** What each container asked for, by its task (`t1`). */
  readonly asked = new Map<string, unknown>();
  /** What waits for the end of the silence; null: there is none. */
  private waiting: (() => void)[] | null = null;
  private readonly server: Server = createServer((from, to) => void this.pass(from, to));

  async listen(socketPath: string): Promise<void> {
    this.server.listen(socketPath);
    await once(this.server, 'listening');
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  silence(): void {
    this.waiting ??= [];
  }

  speak(): void {
    const waiting = this.waiting ?? [];
    this.waiting = null;
    for (const pass of waiting) pass();
  }

  private async pass(from: IncomingMessage, to: ServerResponse): Promise<void> {
    const { method, url = '', headers } = from;
    if (this.waiting !== null) await new Promise<void>((resolve) => this.waiting?.push(resolve));
    // Whoever asked may have given up meanwhile.
    if (to.destroyed) return;
    const creates = method === 'POST' && url.includes('/containers/create');
    const body = creates ? this.withoutDevices(await textOf(from)) : undefined;
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const onward = request({
      socketPath: engineSocket,
      method,
      path: url,
      headers: { ...headers, ...length },
    });
    onward.once('response', (answer) => {
      to.writeHead(answer.statusCode ?? 500, answer.headers);
      // A log that is followed: its first bytes must not wait for the rest.
      to.flushHeaders();
      answer.pipe(to);
    });
    onward.once('error', () => to.destroy());
    to.once('close', () => onward.destroy());
    if (body === undefined) from.pipe(onward);
    else onward.end(body);
  }

  private withoutDevices(text: string): string {
    const asked = JSON.parse(text) as CreateRequest;
    const task = asked.Env.find((entry) => entry.startsWith('GRID_TASK='))?.slice('GRID_TASK='.length) ?? '';
    this.asked.set(task, asked.HostConfig.DeviceRequests);
    delete asked.HostConfig.DeviceRequests;
    return JSON.stringify(asked);
  }
}

async function textOf(from: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of from) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
