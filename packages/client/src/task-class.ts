/**
 * What class a task is of, where nobody said so: tasks of one class are expected to run alike, and what is learned of
 * one counts for all (docs/placement.md).
 *
 * 1. Nothing of it is one task's alone: no argument but an interpreter's script, no text of a shell.
 * 2. Undefined where kind and image say all there is: the broker knows those.
 */
import { limits } from '@gryphgen/protocol';

const interpreters =
  /^(?:sh|bash|dash|zsh|fish|python[0-9.]*|pypy[0-9.]*|node|deno|bun|ruby|perl|php|lua|java|Rscript|julia)$/;
/** What follows is the program itself, and not the name of a file. */
const inlined = new Set(['-c', '-e', '--eval', '-p', '-r']);

/** `command`: of its body; `labels`: of the task. */
export function taskClassOf(
  kind: string,
  image: string | undefined,
  command: readonly string[],
  labels: Readonly<Record<string, string>>,
): string | undefined {
  const program = programOf(command);
  const labelled = Object.entries(labels)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`);
  if (program.length === 0 && labelled.length === 0) return undefined;
  const parts = [kind, ...(image === undefined ? [] : [image]), ...program];
  if (labelled.length > 0) parts.push(`{${labelled.join(',')}}`);
  return shortened(parts.join(' ').replace(/[^ -~]/g, '?'));
}

function programOf([first, ...rest]: readonly string[]): readonly string[] {
  if (first === undefined) return [];
  const program = fileName(first);
  const script = interpreters.test(program) ? scriptOf(rest) : undefined;
  return script === undefined ? [program] : [program, script];
}

function scriptOf(given: readonly string[]): string | undefined {
  for (const [index, argument] of given.entries()) {
    if (inlined.has(argument)) return undefined;
    if (argument === '-m' || argument === '-jar') return given[index + 1] && fileName(given[index + 1] ?? '');
    if (!argument.startsWith('-')) return fileName(argument);
  }
  return undefined;
}

function fileName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/** Too long a one keeps its beginning and is told from others by a digest of the whole. */
function shortened(whole: string): string {
  if (whole.length <= limits.taskClassChars) return whole;
  let digest = 0xcbf29ce484222325n;
  for (let at = 0; at < whole.length; at += 1)
    digest = BigInt.asUintN(64, (digest ^ BigInt(whole.charCodeAt(at))) * 0x100000001b3n);
  return `${whole.slice(0, limits.taskClassChars - 17)} ${digest.toString(16).padStart(16, '0')}`;
}
