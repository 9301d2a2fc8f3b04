/**
 * A real registry (Debian's docker-registry) on this machine, with images made for the test, and a line to it that can
 * be slow or break. The engine takes registries on 127.0.0.0/8 without TLS.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, connect as openConnection, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { gzipSync } from 'node:zlib';

/** With this name and password it opens, where it asks for any. */
export const registryUser = { name: 'ada', password: 'correct horse' };
/** bcrypt; `htpasswd -nbB` makes it. */
const htpasswd = 'ada:$2y$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2\n';

const types = {
  manifest: 'application/vnd.docker.distribution.manifest.v2+json',
  list: 'application/vnd.docker.distribution.manifest.list.v2+json',
  config: 'application/vnd.docker.container.image.v1+json',
  layer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
};

export interface PushedImage {
  /** Each a tar file; see `tarOf`. */
  readonly layers: readonly Buffer[];
  readonly architecture?: string;
}

export class TestRegistry {
  readonly host: string;
  private readonly folder: string;
  private readonly child: ChildProcess;
  private readonly asksLogin: boolean;

  private constructor(host: string, folder: string, child: ChildProcess, asksLogin: boolean) {
    this.host = host;
    this.folder = folder;
    this.child = child;
    this.asksLogin = asksLogin;
  }

  static async start({ asksLogin = false } = {}): Promise<TestRegistry> {
    const folder = mkdtempSync(join(tmpdir(), 'gg-registry-'));
    const host = `${ownAddress()}:5000`;
    writeFileSync(join(folder, 'htpasswd'), htpasswd);
    const auth = { htpasswd: { realm: 'test', path: join(folder, 'htpasswd') } };
    const config = {
      version: '0.1',
      log: { level: 'info', formatter: 'text' },
      storage: { filesystem: { rootdirectory: join(folder, 'data') } },
      http: { addr: host },
      ...(asksLogin && { auth }),
    };
    // YAML is a superset of JSON.
    writeFileSync(join(folder, 'config.yml'), JSON.stringify(config));
    const child = spawn('docker-registry', ['serve', join(folder, 'config.yml')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const said: string[] = [];
    for await (const line of createInterface({ input: child.stderr })) {
      said.push(line);
      if (line.includes('listening on')) {
        child.stderr.resume();
        return new TestRegistry(host, folder, child, asksLogin);
      }
    }
    throw new Error(`the registry did not start: ${said.join('\n')}`);
  }

  /** Resolves with the digest of its manifest. */
  async push(
    repository: string,
    tag: string,
    { layers, architecture = goArch() }: PushedImage,
  ): Promise<string> {
    const packed = layers.map((layer) => gzipSync(layer, { level: 1 }));
    const config = Buffer.from(
      JSON.stringify({
        architecture,
        os: 'linux',
        config: { Cmd: ['/bin/sh'], Env: ['PATH=/bin'] },
        rootfs: { type: 'layers', diff_ids: layers.map(digestOf) },
      }),
    );
    for (const blob of [config, ...packed]) await this.pushBlob(repository, blob);
    const entry = (mediaType: string, blob: Buffer) => ({
      mediaType,
      size: blob.length,
      digest: digestOf(blob),
    });
    const manifest = {
      schemaVersion: 2,
      mediaType: types.manifest,
      config: entry(types.config, config),
      layers: packed.map((layer) => entry(types.layer, layer)),
    };
    return await this.pushManifest(repository, tag, types.manifest, manifest);
  }

  /** An index that offers `tag`'s manifest for one kind of machine alone. */
  async pushIndex(repository: string, tag: string, of: string, architecture: string): Promise<string> {
    const answer = await this.ask('GET', `/v2/${repository}/manifests/${of}`, { accept: types.manifest });
    const manifest = Buffer.from(await answer.arrayBuffer());
    const platform = { os: 'linux', architecture };
    const entry = {
      mediaType: types.manifest,
      size: manifest.length,
      digest: digestOf(manifest),
      platform,
    };
    const index = { schemaVersion: 2, mediaType: types.list, manifests: [entry] };
    return await this.pushManifest(repository, tag, types.list, index);
  }

  /** At once, with what is under way. */
  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, 'exit');
    this.child.kill('SIGKILL');
    await ended;
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async pushBlob(repository: string, blob: Buffer): Promise<void> {
    const begun = await this.ask('POST', `/v2/${repository}/blobs/uploads/`);
    const place = new URL(begun.headers.get('location') ?? '', `http://${this.host}`);
    place.searchParams.set('digest', digestOf(blob));
    await this.ask(
      'PUT',
      place.pathname + place.search,
      { 'content-type': 'application/octet-stream' },
      blob,
    );
  }

  private async pushManifest(
    repository: string,
    tag: string,
    type: string,
    content: object,
  ): Promise<string> {
    const bytes = Buffer.from(JSON.stringify(content));
    await this.ask('PUT', `/v2/${repository}/manifests/${tag}`, { 'content-type': type }, bytes);
    return digestOf(bytes);
  }

  private async ask(method: string, path: string, headers: Record<string, string> = {}, body?: Buffer) {
    const { name, password } = registryUser;
    const login = `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;
    const answer = await fetch(`http://${this.host}${path}`, {
      method,
      headers: { ...headers, ...(this.asksLogin && { authorization: login }) },
      ...(body !== undefined && { body: new Uint8Array(body) }),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer;
  }
}

/** A line to a registry that stops after so many bytes, until it is let go on. */
export class HeldLine {
  readonly host: string;
  /** That the engine has made. (When it gives a pull up it may keep one until more comes.) */
  private readonly connections = new Set<Socket>();
  private readonly server: Server;
  private left: number;
  private waiting: (() => void)[] = [];
  private isHeld: () => void = () => undefined;
  /** Resolves when it has stopped. */
  readonly held: Promise<void>;

  private constructor(server: Server, port: number, bytes: number) {
    this.server = server;
    this.host = `127.0.0.1:${port}`;
    this.left = bytes;
    this.held = new Promise((resolve) => {
      this.isHeld = resolve;
    });
  }

  static async to(registry: string, bytes: number): Promise<HeldLine> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('it has no port');
    const line = new HeldLine(server, address.port, bytes);
    const [host = '', port = ''] = registry.split(':');
    server.on('connection', (engine) => line.carry(engine, openConnection(Number(port), host)));
    return line;
  }

  letGo(): void {
    this.left = Number.POSITIVE_INFINITY;
    for (const go of this.waiting.splice(0)) go();
  }

  async close(): Promise<void> {
    this.letGo();
    for (const socket of this.connections) socket.destroy();
    this.server.close();
    await once(this.server, 'close');
  }

  private carry(engine: Socket, registry: Socket): void {
    this.connections.add(engine);
    engine.on('error', () => undefined).pipe(registry);
    registry.on('error', () => undefined).on('close', () => engine.destroy());
    engine.on('close', () => {
      this.connections.delete(engine);
      registry.destroy();
    });
    registry.on('data', (bytes: Buffer) => {
      engine.write(bytes);
      this.left -= bytes.length;
      if (this.left > 0) return;
      registry.pause();
      this.waiting.push(() => registry.resume());
      this.isHeld();
    });
  }
}

type TarEntry = Buffer | { readonly link: string };

/** A tar file of these, by path; those that can be run are. */
export function tarOf(entries: Readonly<Record<string, TarEntry>>): Buffer {
  const parts = Object.entries(entries).flatMap(([path, entry]) => {
    const content = Buffer.isBuffer(entry) ? entry : Buffer.alloc(0);
    const link = Buffer.isBuffer(entry) ? '' : entry.link;
    const header = Buffer.alloc(512);
    header.write(path, 0, 100);
    header.write('0000755\0', 100);
    header.write('0000000\0', 108);
    header.write('0000000\0', 116);
    header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
    header.write('00000000000\0', 136);
    header.write('        ', 148);
    header.write(path.endsWith('/') ? '5' : link === '' ? '0' : '2', 156);
    header.write(link, 157, 100);
    header.write('ustar\x0000', 257);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    return [header, content, Buffer.alloc((512 - (content.length % 512)) % 512)];
  });
  return Buffer.concat([...parts, Buffer.alloc(1024)]);
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** What Go, and so Docker, calls this kind of machine. */
export function goArch(): string {
  return process.arch === 'x64' ? 'amd64' : process.arch;
}

/** Of this machine, and nobody else's: there every port is free, and stays so when the registry is gone. */
function ownAddress(): string {
  return `127.${randomInt(64, 256)}.${randomInt(256)}.${randomInt(1, 255)}`;
}
