/** Flags by which files of a collection are chosen: `--path`, `--type` and `--machine`, each as often as one likes. */
import { type ChosenFiles, limits } from '@gryphgen/protocol';
import { Option } from 'commander';
import { UsageError } from '../problem.ts';

export interface ChoiceFlags {
  readonly path?: readonly string[];
  readonly type?: readonly string[];
  readonly machine?: readonly string[];
}

export function choiceOptions(): readonly Option[] {
  return [
    repeated('--path <glob>', "only files with such a path, such as 'docs/**' or '/src/*.ts' (repeatable)"),
    repeated('--type <extension>', 'only files with such an ending, such as md (repeatable)'),
    repeated('--machine <name>', 'only files of such a machine (repeatable)'),
  ];
}

/** Undefined: all files. Throws UsageError for what no file can be chosen by. */
export function chosenFiles({ path, type, machine }: ChoiceFlags): ChosenFiles | undefined {
  const extensions = type?.map((one) => one.replace(/^\./, ''));
  const files = {
    ...(path && { paths: judged('--path', path) }),
    ...(extensions && { extensions: judged('--type', extensions) }),
    ...(machine && { machines: judged('--machine', machine) }),
  };
  return Object.keys(files).length === 0 ? undefined : files;
}

function repeated(flags: string, words: string): Option {
  const more = (text: string, before: readonly string[] | undefined) => [...(before ?? []), text];
  return new Option(flags, words).argParser(more);
}

function judged(flag: string, texts: readonly string[]): string[] {
  const { filePatterns: most, filePatternChars: chars } = limits;
  if (texts.length > most)
    throw new UsageError(`${flag}: found ${texts.length} of them, expected at most ${most}`);
  const wrong = texts.find((text) => text === '' || text.length > chars);
  if (wrong !== undefined)
    throw new UsageError(`${flag}: found ${wrong.length} characters, expected 1 to ${chars}`);
  return [...texts];
}
