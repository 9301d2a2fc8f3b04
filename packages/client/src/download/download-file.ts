/**
 * A file of the web, brought to a place of this machine.
 *
 * 1. It is there under its name when all of it came and its digest is what was expected; before it is `NAME.part`, and what
 *    came of it is not asked for again where the server can go on (Range) and says that it is still the same (If-Range), or
 *    its digest will tell.
 * 2. Bounded: the disk's room is looked at first and on the way; a server that draws it out, sends more than it said, or
 *    breaks off `mostBreaks` times in a row before it has sent `leastBytes` more is given up.
 * 3. What is not the kind of file that is expected is given up with its first bytes.
 */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Failure, failure, formatBytes, GridError, limits } from '@gryphgen/protocol';
import { type Alarms, type Clock, freeBytes, Pace, pause, slowWords, writeAll } from '@gryphgen/runtime';
import {
  changeTime,
  type DownloadNote,
  mediaType,
  readNote,
  sizeOf,
  strongTag,
  writeNote,
} from './download-note.ts';
import {
  dismiss,
  placeOf,
  refusalOf,
  unreached,
  type WebAnswer,
  type WebClient,
  type WebToken,
} from './web-client.ts';

const mostBreaks = 4;
const breakMs = 1000;
const leastBytes = 64 * 1024;
/** Left free on the disk, and how often that is looked at. */
const spareBytes = 256 * 1024 * 1024;
const lookEveryBytes = 64 * 1024 * 1024;
const headBytes = 16;

export interface WantedFile {
  readonly url: URL;
  /** Where it is to be, in a folder that is there. */
  readonly path: string;
  /** Hex; without, what comes is believed as far as its connection is. */
  readonly sha256?: string | undefined;
  /** Where that is known beforehand. */
  readonly bytes?: number | undefined;
  /** No more is brought; default: what an artifact may have. */
  readonly mostBytes?: number;
  readonly token?: WebToken | undefined;
  /** By its first bytes: what is wrong with it, in words; '' when nothing is. */
  readonly amiss: (head: Buffer) => string;
}

export interface DownloadOptions {
  readonly web: WebClient;
  readonly clock: Clock;
  readonly alarms: Alarms;
  readonly signal?: AbortSignal | undefined;
  /** Bytes that are there, of those there are to be; 0: nobody says how many. */
  readonly onMoved?: (bytes: number, of: number) => void;
  /** Of the disk a folder is on. */
  readonly roomOf?: (folder: string) => Promise<number>;
}

/** A try ended early and may be gone on with. */
interface Broken {
  readonly why: Failure;
  /** What is there, or was. */
  readonly bytes: number;
}

/** Resolves with its digest, in hex. Throws GridError; the signal's reason when that is aborted. */
export async function downloadFile(wanted: WantedFile, options: DownloadOptions): Promise<string> {
  let most = 0;
  for (let breaks = 0; ; breaks++) {
    const ended = await new Try(wanted, options).run();
    if (typeof ended === 'string') return ended;
    if (ended.bytes >= most + leastBytes) breaks = 0;
    most = Math.max(most, ended.bytes);
    if (breaks + 1 >= mostBreaks) throw new GridError(ended.why);
    await pause(options.alarms, breakMs * 2 ** breaks, options.signal);
    options.signal?.throwIfAborted();
  }
}

class Try {
  private readonly wanted: WantedFile;
  private readonly options: DownloadOptions;
  private readonly part: string;
  private hash: Hash = createHash('sha256');
  private have = 0;
  private moved = 0;

  constructor(wanted: WantedFile, options: DownloadOptions) {
    this.wanted = wanted;
    this.options = options;
    this.part = `${wanted.path}.part`;
  }

  async run(): Promise<string | Broken> {
    const { url, path, sha256, token } = this.wanted;
    const note = await readNote(path);
    const isWhole = note.sha256 !== '' && (await sizeOf(path)) > 0;
    if (isWhole && sha256 === note.sha256) return note.sha256;
    const known = isWhole && sha256 === undefined ? sinceThen(note) : undefined;
    const asked = known ?? (await this.goingOn(note));
    const { signal } = this.options;
    const answer = await this.options.web.get(url, { headers: asked, token, signal });
    if (answer.status === 304 && isWhole) {
      dismiss(answer.body);
      return note.sha256;
    }
    if (answer.status === 416 && this.have > 0) {
      dismiss(answer.body);
      await rm(this.part, { force: true });
      return { why: refusalOf(url, answer.status), bytes: 0 };
    }
    if (answer.status !== 200 && answer.status !== 206) {
      dismiss(answer.body);
      const why = refusalOf(url, answer.status);
      if (answer.status >= 500 || answer.status === 429) return { why, bytes: 0 };
      throw new GridError(why);
    }
    try {
      return await this.take(answer, note.etag);
    } finally {
      dismiss(answer.body);
    }
  }

  /** With what a part is gone on with: nothing where it has to begin anew. */
  private async goingOn({ etag }: DownloadNote): Promise<Record<string, string>> {
    const have = await sizeOf(this.part);
    if (have < headBytes || (etag === '' && this.wanted.sha256 === undefined)) return {};
    for await (const bytes of createReadStream(this.part)) {
      this.options.signal?.throwIfAborted();
      this.hash.update(bytes as Buffer);
    }
    this.have = have;
    return { range: `bytes=${have}-`, ...(etag !== '' && { 'if-range': etag }) };
  }

  private async take(answer: WebAnswer, before: string): Promise<string | Broken> {
    const { wanted } = this;
    const { headers, status, url } = answer;
    if (status === 206 && rangeStart(headers['content-range']) !== this.have)
      throw refused(`${placeOf(url)} sent another part of the file than the one from byte ${this.have}`);
    const etag = strongTag(headers.etag);
    if (status === 206 && before !== '' && etag !== '' && etag !== before) {
      await rm(this.part, { force: true });
      return {
        why: failure('execution.input', `${placeOf(url)} changed while it was brought`),
        bytes: 0,
      };
    }
    if (status === 200) this.beginAnew();
    const coded = headers['content-encoding'];
    if (coded !== undefined && coded !== 'identity')
      throw refused(`${placeOf(url)} sent it packed (${String(coded)}), which was not asked for`);
    const length = headers['content-length'];
    const coming = typeof length === 'string' && /^[0-9]{1,15}$/.test(length) ? Number(length) : undefined;
    const all = coming === undefined ? undefined : this.have + coming;
    if (all !== undefined && wanted.bytes !== undefined && all !== wanted.bytes)
      throw refused(`${placeOf(url)} has ${all} bytes, expected ${wanted.bytes}`);
    if (all !== undefined && all > this.most)
      throw new GridError(
        failure('rejected.limit', `${placeOf(url)} has ${all} bytes, expected at most ${this.most}`),
      );
    await this.checkRoom((all ?? wanted.bytes ?? this.have) - this.have);
    const modified = changeTime(headers['last-modified']);
    const note = { etag, sha256: '', modified, type: mediaType(headers['content-type']) };
    await writeNote(wanted.path, note);
    const broken = await this.write(answer, all ?? wanted.bytes);
    return broken ?? (await this.finish(url, all ?? wanted.bytes, note));
  }

  private get most(): number {
    return Math.min(this.wanted.mostBytes ?? limits.artifactBytes, limits.artifactBytes);
  }

  private beginAnew(): void {
    this.have = 0;
    this.hash = createHash('sha256');
  }

  private async write({ body, url }: WebAnswer, all: number | undefined): Promise<Broken | undefined> {
    const { clock, signal, onMoved } = this.options;
    const pace = new Pace(clock);
    const file = await open(this.part, this.have > 0 ? 'r+' : 'w', 0o600);
    let head: Buffer | undefined = this.have > 0 ? undefined : Buffer.alloc(0);
    let lookAt = this.moved + lookEveryBytes;
    try {
      pace.waits();
      for await (const bytes of body as AsyncIterable<Buffer>) {
        pace.goesOn();
        pace.moved(bytes.length);
        if (pace.isSlow) throw refused(`${url.host} ${slowWords}: what came is kept for another try`);
        if (head !== undefined) head = this.look(Buffer.concat([head, bytes.subarray(0, headBytes)]), url);
        if (this.have + bytes.length > Math.min(all ?? this.most, this.most))
          throw refused(`${placeOf(url)} sends more than ${all ?? this.most} bytes`);
        await writeAll(file, bytes, this.have);
        this.hash.update(bytes);
        this.have += bytes.length;
        this.moved += bytes.length;
        onMoved?.(this.have, all ?? 0);
        if (this.moved >= lookAt) {
          lookAt = this.moved + lookEveryBytes;
          await this.checkRoom(0);
        }
        pace.waits();
      }
      if (head !== undefined) this.look(head, url, true);
      await file.sync();
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof GridError || isOfDisk(error)) throw error;
      return { why: unreached(url, error), bytes: this.have };
    } finally {
      await file.close();
    }
    return undefined;
  }

  /** Undefined once it has been looked at. */
  private look(head: Buffer, url: URL, isAll = false): Buffer | undefined {
    if (head.length < headBytes && !isAll) return head;
    const amiss = this.wanted.amiss(head);
    if (amiss !== '') throw new GridError(failure('rejected.invalid', `${placeOf(url)}: ${amiss}`));
    return undefined;
  }

  private async finish(url: URL, all: number | undefined, note: DownloadNote): Promise<string | Broken> {
    const { path, sha256 } = this.wanted;
    if (all !== undefined && this.have < all) {
      const words = `${placeOf(url)} ended after ${this.have} of ${all} bytes`;
      return { why: failure('execution.input', words), bytes: this.have };
    }
    const digest = this.hash.digest('hex');
    if (sha256 !== undefined && digest !== sha256) {
      await rm(this.part, { force: true });
      const words = `${placeOf(url)} has the sha-256 ${digest}, expected ${sha256}: it is another file, or came damaged; it is not kept`;
      throw new GridError(failure('rejected.invalid', words));
    }
    await rename(this.part, path);
    await writeNote(path, { ...note, sha256: digest });
    return digest;
  }

  private async checkRoom(coming: number): Promise<void> {
    const folder = dirname(this.wanted.path);
    const { roomOf = freeBytes } = this.options;
    const free = await roomOf(folder);
    if (free - coming >= spareBytes) return;
    const words = `${formatBytes(coming)} are still to come, and ${folder} has ${formatBytes(free)} free, of which ${formatBytes(spareBytes)} stay so`;
    throw new GridError(failure('rejected.limit', words));
  }
}

/** With what is asked whether it is still the same; undefined where there is nothing to ask by. */
function sinceThen({ etag, modified }: DownloadNote): Record<string, string> | undefined {
  if (etag !== '') return { 'if-none-match': etag };
  return modified === '' ? undefined : { 'if-modified-since': modified };
}

function rangeStart(range: string | string[] | undefined): number | undefined {
  const [, start] = /^bytes ([0-9]{1,15})-/.exec(String(range ?? '')) ?? [];
  return start === undefined ? undefined : Number(start);
}

function refused(words: string): GridError {
  return new GridError(failure('execution.input', words));
}

/** A system call on a path, not on a socket. */
function isOfDisk(error: unknown): boolean {
  return (
    error instanceof Error &&
    'syscall' in error &&
    ['write', 'open', 'fsync', 'statfs'].includes(String(error.syscall))
  );
}
