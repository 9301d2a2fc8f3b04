/** `--redact email,phone,key,token,names=FILE`: what is taken out of the texts of a collection. */
import { readFile } from 'node:fs/promises';
import { type IngestBody, limits, type RedactedKind, redactedKinds } from '@gryphgen/protocol';
import { UsageError } from '../problem.ts';

type Setting = Pick<Extract<IngestBody, { op: 'redact' }>, 'kinds' | 'names'>;

const fileFlag = 'names=';
const expected = `one or more of ${redactedKinds.filter((kind) => kind !== 'name').join(', ')} and names=FILE, with commas between`;

/** Throws UsageError, also for a list of names that cannot be read. */
export async function redactSetting(text: string): Promise<Setting> {
  const kinds = new Set<RedactedKind>();
  let names: readonly string[] = [];
  for (const part of text.split(',').map((one) => one.trim())) {
    if (part.startsWith(fileFlag)) {
      kinds.add('name');
      names = [...names, ...(await namesIn(part.slice(fileFlag.length)))];
    } else if (isKind(part)) kinds.add(part);
    else throw new UsageError(`--redact: found ${JSON.stringify(part)}, expected ${expected}`);
  }
  if (names.length > limits.redactedNames)
    throw new UsageError(`--redact: found ${names.length} names, expected ${limits.redactedNames} at most`);
  return { kinds: [...kinds], ...(names.length > 0 && { names: [...names] }) };
}

function isKind(text: string): text is RedactedKind {
  return text !== 'name' && (redactedKinds as readonly string[]).includes(text);
}

/** One a line; empty lines and those that begin with "#" are passed over. */
async function namesIn(path: string): Promise<readonly string[]> {
  const text = await readFile(path, 'utf8').catch((error: Error) => {
    throw new UsageError(`--redact: the names of ${JSON.stringify(path)} cannot be read: ${error.message}`);
  });
  const lines = text.split('\n').map((line) => line.trim());
  const names = lines.filter((line) => line !== '' && !line.startsWith('#'));
  if (names.length === 0) throw new UsageError(`${path}: found no name, expected one a line`);
  for (const [at, line] of lines.entries())
    if (line.length > limits.redactedNameChars)
      throw new UsageError(
        `${path}:${at + 1}: found ${line.length} characters, expected a name of ${limits.redactedNameChars} at most`,
      );
  return names;
}
