/**
 * The way through a tar, header by header. It says which bytes it wants next and is given them, by whoever can seek as
 * by whoever sees the bytes go by.
 *
 * 1. A file takes up as much as it is large: sparse files, of which some bytes stand for any number, are a problem.
 * 2. What is held is one header, or what one says of the next entry: at most `maxExtendedBytes`.
 */
import { readTarHeader, tarBlockBytes, tarPadding } from './tar-header.ts';

/** Names, and whatever else is said of an entry; Go's reader has the same bound. */
const maxExtendedBytes = 1024 * 1024;
/** They have no content, whatever size they tell: links, devices, folders, pipes. */
const withoutContent = '123456';

export interface TarEntry {
  readonly name: string;
  /** As in TarHeader. */
  readonly type: string;
  /** Where its content begins. */
  readonly at: number;
  readonly bytes: number;
  /** Of a link. */
  readonly target: string;
  readonly executable: boolean;
}

export class TarWalk {
  /** The bytes it goes on with; null when there is nothing more to be seen. */
  want: { readonly at: number; readonly bytes: number } | null = { at: 0, bytes: tarBlockBytes };
  /** Why it is no tar, or none we take; '' as long as it is. */
  problem = '';
  /** Said of the next entry, by the type that said it. */
  private extended = '';
  private path: string | undefined;
  private target: string | undefined;
  private bytes: number | undefined;
  private sawZeros = false;

  /** Exactly what it wants. Returns an entry when that completes one. */
  give(block: Buffer): TarEntry | undefined {
    if (this.want === null) return undefined;
    const { at } = this.want;
    if (this.extended !== '') {
      this.readExtended(block);
      this.extended = '';
      this.goTo(at + block.length + tarPadding(block.length));
      return undefined;
    }
    if (block.every((byte) => byte === 0)) {
      if (this.sawZeros) this.want = null;
      else this.goTo(at + tarBlockBytes);
      this.sawZeros = true;
      return undefined;
    }
    return this.readHeader(block, at);
  }

  /** Whether a tar may end at this offset: there only a header would come, or nothing. */
  mayEndAt(offset: number): boolean {
    return this.want === null || (this.extended === '' && this.want.at === offset);
  }

  private readHeader(block: Buffer, at: number): TarEntry | undefined {
    const header = this.sawZeros ? undefined : readTarHeader(block);
    if (header === undefined)
      return this.fail(at === 0 ? 'it is not a tar' : `its header at byte ${at} is broken`);
    const { type } = header;
    const begins = at + tarBlockBytes;
    if ('xgLK'.includes(type)) {
      if (header.bytes === 0 || header.bytes > maxExtendedBytes)
        return this.fail(`the extended header at byte ${at} has ${header.bytes} bytes`);
      this.extended = type;
      this.want = { at: begins, bytes: header.bytes };
      return undefined;
    }
    if (type === 'S') return this.fail(sparse(header.name));
    const bytes = withoutContent.includes(type) ? 0 : (this.bytes ?? header.bytes);
    const entry = {
      name: this.path ?? header.name,
      type,
      at: begins,
      bytes,
      target: this.target ?? header.target,
      executable: header.executable,
    };
    this.path = undefined;
    this.target = undefined;
    this.bytes = undefined;
    this.goTo(begins + bytes + tarPadding(bytes));
    return entry;
  }

  private readExtended(block: Buffer): void {
    if (this.extended === 'L') this.path = textOf(block);
    else if (this.extended === 'K') this.target = textOf(block);
    else if (this.extended === 'x') this.readRecords(block);
  }

  /** Records of POSIX: `27 path=some/longer/name\n`, the length counting itself. */
  private readRecords(block: Buffer): void {
    for (let at = 0; at < block.length; ) {
      const space = block.indexOf(0x20, at);
      const length = Number(block.toString('latin1', at, space));
      const end = at + length;
      if (
        space <= at ||
        !Number.isInteger(length) ||
        end > block.length ||
        length < 5 ||
        block[end - 1] !== 0x0a
      ) {
        this.fail('an extended header is broken');
        return;
      }
      const record = block.toString('utf8', space + 1, end - 1);
      const [key = ''] = record.split('=', 1);
      const value = record.slice(key.length + 1);
      if (key.startsWith('GNU.sparse.')) this.fail(sparse(this.path ?? ''));
      if (key === 'path') this.path = value;
      if (key === 'linkpath') this.target = value;
      if (key === 'size') this.readSize(value);
      at = end;
    }
  }

  private readSize(value: string): void {
    const size = /^[0-9]{1,16}$/.test(value) ? Number(value) : Number.NaN;
    if (Number.isSafeInteger(size)) this.bytes = size;
    else this.fail(`an extended header tells a size of ${value.slice(0, 20)}`);
  }

  private goTo(at: number): void {
    if (this.problem !== '') return;
    if (Number.isSafeInteger(at)) this.want = { at, bytes: tarBlockBytes };
    else this.fail('an entry is larger than can be');
  }

  private fail(problem: string): undefined {
    this.problem ||= problem;
    this.want = null;
  }
}

function sparse(name: string): string {
  return `it has a sparse file${name === '' ? '' : `, ${name}`}: some bytes of it would become any number`;
}

function textOf(block: Buffer): string {
  const end = block.indexOf(0);
  return block.toString('utf8', 0, end === -1 ? block.length : end);
}
