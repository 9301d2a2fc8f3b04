/**
 * What a worker and its process keeper say to each other over a unix socket, and how it is written: a length, the length
 * of a JSON header, the header, and bytes that are no text. `key` names an attempt.
 *
 * 1. The two may be of different versions: the worker is upgraded while its keeper holds what runs. The frame, `hello`,
 *    and `version` and `root` of `welcome` are the same for ever; of the rest `keeperVersion` tells.
 * 2. Positions count the bytes of an attempt's output from its first.
 */
import type { Failure, Usage } from '@gryphgen/protocol';
import type { Reading } from '../core/events.ts';
import type { StopWhy } from '../core/state.ts';
import type { GroupOrder } from './process-control-group.ts';

/** Raise it with every change of these messages that one side of an earlier version would not understand. */
export const keeperVersion = 1;

/** A command and its environment, every character of them escaped, with room to spare. */
export const maxFrameBytes = 4 * 1024 * 1024;
const lengthBytes = 4;

export type ToKeeper =
  | Hello
  | {
      readonly kind: 'start';
      readonly key: string;
      /** Kept for the worker's next life, as it is. */
      readonly facts: string;
      readonly command: readonly string[];
      readonly env: Readonly<Record<string, string>>;
      readonly cwd: string;
      /** 0: no limit. */
      readonly memoryBytes: number;
      /** Absent: it gets none. A keeper of an earlier version gives it none either. */
      readonly group?: GroupOrder;
    }
  | { readonly kind: 'stop'; readonly key: string; readonly graceMs: number; readonly why: StopWhy }
  /** To an attempt of an earlier life: its output is in the log up to here, and wanted from here on. */
  | { readonly kind: 'resume'; readonly key: string; readonly from: number }
  /** Its output is in the log up to here. */
  | { readonly kind: 'took'; readonly key: string; readonly to: number }
  | { readonly kind: 'forget'; readonly key: string };

/** `root`: the folder of the scratch folders, which names the worker. */
export interface Hello {
  readonly kind: 'hello';
  readonly version: number;
  readonly root: string;
}

export type FromKeeper =
  /** So many `held` follow. */
  | { readonly kind: 'welcome'; readonly version: number; readonly root: string; readonly holds: number }
  | HeldAttempt
  | { readonly kind: 'started'; readonly key: string }
  /** What it uses now. A worker of an earlier version steps over it. */
  | { readonly kind: 'used'; readonly key: string; readonly reading: Reading }
  /** With the bytes; `at` is the position of the first. */
  | { readonly kind: 'output'; readonly key: string; readonly at: number }
  /** All its output was taken. */
  | { readonly kind: 'ended'; readonly key: string; readonly end: ProcessEnd };

/** `failure`: why there was no process. */
export interface ProcessEnd {
  readonly exitCode: number;
  readonly stopped: boolean;
  readonly failure: Failure | null;
  /** Missing where there was no process, or the keeper is of an earlier version. */
  readonly usage?: Usage;
}

/** What an earlier life of the worker started and has not forgotten. */
export interface HeldAttempt {
  readonly kind: 'held';
  readonly key: string;
  readonly facts: string;
  /** So far, or in all. */
  readonly ranMs: number;
  readonly stopping: StopWhy | null;
  /** Of its output, what is held. */
  readonly from: number;
  readonly to: number;
  /** Null while it runs, or while some of its output is still unread. */
  readonly end: ProcessEnd | null;
}

const none = new Uint8Array(0);

export function writeFrame(message: ToKeeper | FromKeeper, bytes: Uint8Array = none): Buffer {
  const header = Buffer.from(JSON.stringify(message));
  const lengths = Buffer.allocUnsafe(2 * lengthBytes);
  lengths.writeUInt32LE(lengthBytes + header.length + bytes.length, 0);
  lengths.writeUInt32LE(header.length, lengthBytes);
  return Buffer.concat([lengths, header, bytes]);
}

/** Puts together what arrives in pieces. */
export class FrameReader<Message> {
  private rest: Buffer = Buffer.alloc(0);
  private readonly take: (message: Message, bytes: Uint8Array) => void;

  constructor(take: (message: Message, bytes: Uint8Array) => void) {
    this.take = take;
  }

  /** Throws when this is no peer of ours. */
  push(piece: Buffer): void {
    this.rest = this.rest.length === 0 ? piece : Buffer.concat([this.rest, piece]);
    while (this.rest.length >= 2 * lengthBytes) {
      const length = this.rest.readUInt32LE(0);
      const headerLength = this.rest.readUInt32LE(lengthBytes);
      if (length > maxFrameBytes || headerLength + lengthBytes > length)
        throw new Error(`a frame of ${length} bytes with a header of ${headerLength}`);
      if (this.rest.length < lengthBytes + length) return;
      const frame = this.rest.subarray(2 * lengthBytes, lengthBytes + length);
      this.rest = this.rest.subarray(lengthBytes + length);
      const message = JSON.parse(frame.toString('utf8', 0, headerLength)) as Message;
      this.take(message, frame.subarray(headerLength));
    }
  }
}
