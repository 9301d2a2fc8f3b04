/** Writes MessagePack: maps and lists without record structures, whose state would tie frames together. */
import { Packr } from 'msgpackr';

/** `skipValues` is missing from msgpackr's declarations: a key whose value is undefined is a key that is not there. */
const options: object = { useRecords: false, encodeUndefinedAsNil: true, skipValues: [undefined] };
const packr = new Packr(options);

/** Equal values with keys in the same order become equal bytes. */
export function writeMsgpack(value: unknown): Buffer {
  return packr.pack(value);
}
