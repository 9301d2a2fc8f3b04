/**
 * An artifact on its way into a store: told its missing chunks in order, as bytes, however these are cut.
 *
 * 1. A chunk counts when it has the digest that the manifest names; the first that has not ends the intake.
 * 2. What has come stays when an intake is abandoned: the next one checks it and asks for the rest (but not what was
 *    wrong, nor what a full disk cut).
 */
import { createHash, type Hash } from 'node:crypto';
import { chmod, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Failure, failure } from '@gryphgen/protocol';
import { ContentFile } from './content-file.ts';
import type { DirectMemory } from './direct-writes.ts';
import { diskFailure, syncFolder } from './disk.ts';
import { type Manifest, pieceBytes } from './manifest.ts';
import { type Content, type Piece, Pieces, pieceOf, type Runs, storedBytes } from './pieces.ts';
import { readPieces } from './read-pieces.ts';

export interface IntakePlace {
  /** Where contents are kept, and those of this artifact until they are whole. */
  readonly files: string;
  readonly partial: string;
  /** Absent: no content is written past the page cache. */
  readonly direct?: DirectMemory;
  /** Whether it is in `files` already; then it stays there until `over`. */
  borrow(id: string): boolean;
  /** All its contents are in `files`. */
  keep(): Promise<void>;
  /** Nothing more is done with it; told once. */
  over(end: IntakeEnd): Promise<void>;
}

export interface IntakeEnd {
  /** What came had not the digest that was announced. */
  readonly wasWrong: boolean;
  /** What it had reserved. */
  readonly roomBytes: number;
  /** What of it stays in `partial`. */
  readonly leftBytes: number;
}

export class ArtifactIntake {
  readonly manifest: Manifest;
  /** What is to be sent; known after `look`. */
  runs: Runs = [];
  /** In all that is to be sent. */
  wantedBytes = 0;
  takenBytes = 0;
  private readonly place: IntakePlace;
  private readonly pieces: Pieces;
  /** By chunk: whether it is here. */
  private readonly here: Uint8Array;
  private readonly borrowed = new Set<string>();
  private reserved = 0;
  private numbers: readonly number[] = [];
  private next = 0;
  private piece: Piece | undefined;
  private hash: Hash = createHash('sha256');
  private inPiece = 0;
  private file: ContentFile | undefined;
  private why: Failure | null = null;
  private isOver = false;

  constructor(manifest: Manifest, place: IntakePlace) {
    this.manifest = manifest;
    this.place = place;
    this.pieces = new Pieces(manifest);
    this.here = new Uint8Array(this.pieces.count);
  }

  /** What is here of it already; rejects with what the file system says. */
  async look(): Promise<void> {
    await mkdir(this.place.partial, { recursive: true, mode: 0o700 });
    const begun = new Set(await readdir(this.place.partial));
    for (const content of this.pieces.contents) {
      if (this.place.borrow(content.id)) {
        this.borrowed.add(content.id);
        this.here.fill(1, content.first, content.first + content.count);
      } else if (begun.has(content.id)) await this.lookAt(content);
    }
    this.runs = this.pieces.runs((number) => this.here[number] === 0);
    this.numbers = this.pieces.numbers(this.runs) ?? [];
    this.wantedBytes = this.pieces.bytesOf(this.numbers);
  }

  /** What it takes on disk beside what is kept there. */
  reserve(): number {
    this.reserved = this.manifest.encoded.length;
    for (const content of this.pieces.contents)
      if (!this.borrowed.has(content.id)) this.reserved += storedBytes(content);
    return this.reserved;
  }

  /** What it will still take of the disk. */
  get unwrittenBytes(): number {
    return this.manifest.encoded.length + this.wantedBytes - this.takenBytes;
  }

  private async lookAt(content: Content): Promise<void> {
    const path = join(this.place.partial, content.id);
    for (let nth = 0; nth < content.count; nth += 1) {
      const piece = pieceOf(content, nth);
      if (piece.isHole) continue;
      const hash = createHash('sha256');
      for await (const bytes of readPieces([piece], () => path)) hash.update(bytes);
      if (hash.digest().equals(piece.digest)) this.here[content.first + nth] = 1;
    }
  }

  /** Null while all is well. To be awaited before the next; after a failure nothing more is taken. */
  async take(bytes: Uint8Array): Promise<Failure | null> {
    try {
      for (let at = 0; at < bytes.length && this.why === null && !this.isOver; ) {
        this.piece ??= this.nextPiece();
        if (this.piece === undefined) {
          this.why = failure('rejected.invalid', 'more came of the artifact than was asked for');
          break;
        }
        const part = bytes.subarray(at, at + this.piece.bytes - this.inPiece);
        at += part.length;
        this.takenBytes += part.length;
        await this.takePart(this.piece, part);
      }
    } catch (error) {
      this.why ??= diskFailure(error);
    }
    return this.why;
  }

  private async takePart(piece: Piece, part: Uint8Array): Promise<void> {
    this.hash.update(part);
    // A piece that is here already comes where asking for it was shorter.
    const file = await this.fileOf(piece.content);
    await file.write(part, piece.at + this.inPiece);
    this.inPiece += part.length;
    if (this.inPiece < piece.bytes) return;
    const isRight = this.hash.digest().equals(piece.digest);
    this.hash = createHash('sha256');
    this.inPiece = 0;
    this.piece = undefined;
    if (isRight) this.here[this.numbers[this.next - 1] ?? 0] = 1;
    else {
      const { path } = piece.content.entry;
      const words = `the chunk at ${piece.at} of ${JSON.stringify(path)} is not what was announced: it has another sha-256`;
      this.why = failure('rejected.invalid', words);
    }
  }

  private nextPiece(): Piece | undefined {
    const number = this.numbers[this.next];
    if (number === undefined) return undefined;
    this.next += 1;
    return this.pieces.piece(number);
  }

  /** The end of what is sent: the artifact is kept when nothing is missing. */
  async end(): Promise<Failure | null> {
    if (this.why === null && (this.next < this.numbers.length || this.inPiece > 0))
      this.why = failure(
        'lost.link',
        `of the artifact ${this.wantedBytes - this.takenBytes} bytes did not come`,
      );
    if (this.why === null) {
      try {
        await this.placeAll();
      } catch (error) {
        this.why = diskFailure(error);
      }
    }
    await this.leave(this.why === null);
    return this.why;
  }

  /** What has come stays for who goes on with it, unless the disk was full. Idempotent. */
  abandon(): Promise<void> {
    return this.leave(false);
  }

  private async placeAll(): Promise<void> {
    const { files, partial, keep } = this.place;
    for (const content of this.pieces.contents) {
      if (this.borrowed.has(content.id)) continue;
      const file = await this.fileOf(content);
      await file.seal(content.entry.bytes);
      await this.closeFile();
      const { path } = file;
      await chmod(path, content.entry.executable ? 0o555 : 0o444);
      await rename(path, join(files, content.id));
    }
    await syncFolder(files);
    await keep();
    await rm(partial, { recursive: true, force: true });
  }

  private async leave(isKept: boolean): Promise<void> {
    if (this.isOver) return;
    this.isOver = true;
    const { partial, over } = this.place;
    try {
      await this.closeFile();
    } catch (error) {
      this.why ??= diskFailure(error);
    }
    const { length } = this.here.filter((isHere, number) => isHere === 1 && !this.isBorrowed(number));
    const isUseless = isKept || this.why?.code === 'rejected.limit';
    const leftBytes = isUseless ? 0 : Math.min(this.reserved, length * pieceBytes);
    if (leftBytes === 0) await rm(partial, { recursive: true, force: true }).catch(() => undefined);
    await over({ wasWrong: this.why?.code === 'rejected.invalid', roomBytes: this.reserved, leftBytes });
  }

  private isBorrowed(number: number): boolean {
    return this.borrowed.has(this.pieces.piece(number).content.id);
  }

  private async fileOf({ id, entry }: Content): Promise<ContentFile> {
    const { partial, direct } = this.place;
    const path = join(partial, id);
    if (this.file?.path === path) return this.file;
    await this.closeFile();
    const file = await ContentFile.open(path, entry.bytes, direct);
    if (this.isOver) {
      // It was given up meanwhile, by who found no file to close.
      await file.close();
      throw new Error('the intake was given up');
    }
    this.file = file;
    return file;
  }

  private async closeFile(): Promise<void> {
    const { file } = this;
    this.file = undefined;
    await file?.close();
  }
}
