/**
 * Files of environment variables, in docker's format (`docker run --env-file`): NAME=VALUE, where all that follows the
 * first "=" is the value, quotes and all; lines that begin with # and empty ones are passed over; NAME alone is taken
 * from the environment of whoever submits, and is left out where it is not set there.
 */
import { isUtf8 } from 'node:buffer';
import { isEnvironmentName } from '@gryphgen/protocol';
import { argument, variableName } from './task-file/values.ts';

export type ReadEnvFile =
  | { readonly ok: true; readonly variables: Readonly<Record<string, string>> }
  /** Each: `file:line: found …, expected …` */
  | { readonly ok: false; readonly problems: readonly string[] };

/** Bodies are bounded far below. */
const maxBytes = 1024 * 1024;
const maxProblems = 20;

export function readEnvFile(
  file: string,
  bytes: Uint8Array,
  env: Readonly<Record<string, string | undefined>>,
): ReadEnvFile {
  if (bytes.length > maxBytes)
    return { ok: false, problems: [`${file}:1: found more than ${maxBytes} bytes`] };
  const problems: string[] = [];
  const variables: Record<string, string> = {};
  const text = Buffer.from(bytes)
    .toString()
    .replace(/^\ufeff/, '');
  if (!isUtf8(bytes)) problems.push(`${file}:${lineOf(text, '\ufffd')}: found bytes that are no UTF-8`);
  for (const [index, line] of text.split('\n').entries()) {
    const written = line.replace(/\r$/, '').trimStart();
    if (written === '' || written.startsWith('#')) continue;
    const at = written.indexOf('=');
    const name = at === -1 ? written : written.slice(0, at);
    const value = at === -1 ? env[name] : written.slice(at + 1);
    const where = `${file}:${index + 1}`;
    if (!isEnvironmentName(name))
      problems.push(`${where}: found ${JSON.stringify(name)}, expected ${variableName.expected}`);
    else if (value !== undefined && argument.parse(value) === undefined)
      problems.push(`${where}: ${name}: expected ${argument.expected}`);
    else if (value !== undefined) variables[name] = value;
  }
  return problems.length > 0
    ? { ok: false, problems: problems.slice(0, maxProblems) }
    : { ok: true, variables };
}

function lineOf(text: string, part: string): number {
  return text.slice(0, text.indexOf(part)).split('\n').length;
}
