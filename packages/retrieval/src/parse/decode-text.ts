/**
 * Bytes to text, or why not.
 *
 * 1. Nothing is guessed: what is not valid in its encoding (UTF-8, UTF-16 with its mark, or what a page of HTML names) is
 *    refused, not patched.
 * 2. Line breaks are `\n` afterwards, so that lines count alike everywhere.
 */

export type Decoded =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'refused'; readonly reason: string };

const refused = (reason: string): Decoded => ({ kind: 'refused', reason });
/** Text has hardly any control characters; what has more is a format nobody here reads. */
const MAX_CONTROL_SHARE = 0.01;
const LOOKED_AT_CHARS = 1 << 16;

/** `named`: an encoding that the document itself names; UTF-8 is tried before it. */
export function decodeText(bytes: Uint8Array, named?: string): Decoded {
  const wide = wideEncoding(bytes);
  if (wide === undefined && bytes.subarray(0, LOOKED_AT_CHARS).includes(0))
    return refused('it is binary: there are zero bytes in it');
  let text: string;
  try {
    text = new TextDecoder(wide ?? 'utf-8', { fatal: true }).decode(bytes);
  } catch {
    if (wide === undefined && named !== undefined) return decodedAs(bytes, named);
    return refused(wide === undefined ? 'it is not valid UTF-8' : `it is not valid ${wide.toUpperCase()}`);
  }
  return checked(text);
}

function decodedAs(bytes: Uint8Array, name: string): Decoded {
  try {
    return checked(new TextDecoder(name, { fatal: true }).decode(bytes));
  } catch {
    return refused(`it is neither valid UTF-8 nor ${name}, which it names`);
  }
}

function checked(text: string): Decoded {
  if (controlShare(text) > MAX_CONTROL_SHARE)
    return refused('it is binary: it is full of control characters');
  return { kind: 'text', text: text.replaceAll(/\r\n?/g, '\n') };
}

function wideEncoding(bytes: Uint8Array): 'utf-16le' | 'utf-16be' | undefined {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be';
  return undefined;
}

function controlShare(text: string): number {
  const end = Math.min(text.length, LOOKED_AT_CHARS);
  let controls = 0;
  for (let at = 0; at < end; at += 1) {
    const code = text.charCodeAt(at);
    // Tab to carriage return are text; so is escape, in terminal logs.
    if (code < 32 && !(code >= 9 && code <= 13) && code !== 27) controls += 1;
  }
  return end === 0 ? 0 : controls / end;
}
