/**
 * A YAML file whose every value knows its place, and the list of what is wrong with it. Readers (fields.ts) go on after
 * a problem, so that a person sees all of them at once.
 */
import { isUtf8 } from 'node:buffer';
import { type Alias, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseAllDocuments } from 'yaml';

/** A task's limits are far below; what is larger is not a task file. */
export const maxFileBytes = 1024 * 1024;
/** More would only scroll the first away. */
const maxProblems = 20;

/** A few kilobytes of aliases of aliases would be gigabytes. */
const maxAliasCount = 100;

export type Place = Pick<Node, 'range'>;

export class YamlSource {
  readonly root: Node | null;
  readonly problems: string[] = [];
  private readonly file: string;
  private readonly places = new Map<string, Place>();
  private readonly lines = new LineCounter();
  private readonly resolveAlias: (alias: Alias) => Node | undefined;
  private toPlain: (node: Node) => unknown = () => undefined;

  /** `what` it should be: `a task`. */
  constructor(file: string, bytes: Uint8Array, what = 'a task') {
    this.file = file;
    this.resolveAlias = () => undefined;
    this.root = null;
    const text = Buffer.from(bytes).toString();
    const wrong = whyNoText(bytes, text, what);
    if (wrong !== undefined) {
      const before = text.slice(0, wrong[0]).split('\n');
      this.problems.push(`${file}:${before.length}:${(before.at(-1)?.length ?? 0) + 1}: ${wrong[1]}`);
      return;
    }
    const documents = parseAllDocuments(text, {
      lineCounter: this.lines,
      prettyErrors: false,
      stringKeys: true,
    });
    const [document, second] = [...documents];
    if (document === undefined) {
      this.problems.push(`${file}:1:1: found an empty file, expected ${what}`);
      return;
    }
    // What follows the first is mostly said because of it.
    const [error] = [...document.errors, ...document.warnings];
    if (error !== undefined) this.say(error.pos[0], `not valid YAML: ${yamlWords(error.message)}`);
    if (second !== undefined)
      this.say(second.range[0], `found a second YAML document, expected ${what} alone in its file`);
    if (this.problems.length > 0) return;
    this.resolveAlias = (alias) => alias.resolve(document) as Node | undefined;
    this.toPlain = (node) => node.toJS(document, { maxAliasCount });
    this.root = document.contents;
    if (this.root === null) this.say(0, `found nothing, expected ${what}`);
  }

  /** The node an alias stands for; others are themselves. */
  follow(node: Node | null): Node | null {
    return isAlias(node) ? (this.resolveAlias(node) ?? null) : node;
  }

  /** All that is under a node, as values; undefined where its aliases would make too much of it. */
  plain(node: Node): unknown {
    try {
      return this.toPlain(node);
    } catch (error) {
      if (error instanceof ReferenceError) return undefined;
      throw error;
    }
  }

  /** Where the key of `path` is, for what is noticed later. */
  note(path: string, key: Place): void {
    this.places.set(path, key);
  }

  placeOf(path: string): Place | null {
    return this.places.get(path) ?? this.root;
  }

  /** `path` names the field as in `resources.memory`; '' is the task itself. */
  problem(node: Place | null, path: string, words: string): undefined {
    this.say(node?.range?.[0] ?? 0, path === '' ? words : `${path}: ${words}`);
    return undefined;
  }

  unexpected(node: Node | null, path: string, expected: string): undefined {
    return this.problem(node, path, `found ${found(this.follow(node))}, expected ${expected}`);
  }

  private say(offset: number, words: string): void {
    const { line, col } = this.lines.linePos(offset);
    if (this.problems.length === maxProblems) this.problems.push(`${this.file}: and more problems`);
    if (this.problems.length < maxProblems)
      this.problems.push(`${this.file}:${Math.max(1, line)}:${Math.max(1, col)}: ${words}`);
  }
}

/** Where it is no text, and what was found there. */
function whyNoText(
  bytes: Uint8Array,
  text: string,
  what: string,
): [offset: number, words: string] | undefined {
  if (bytes.length > maxFileBytes) return [0, `found more than ${maxFileBytes} bytes, expected ${what}`];
  const nul = text.indexOf('\0');
  if (nul !== -1) return [nul, 'found a NUL character, expected a text file'];
  return isUtf8(bytes)
    ? undefined
    : [text.indexOf('\ufffd'), 'found bytes that are no UTF-8, expected a text file'];
}

/** The reader goes down into lists and maps by calling itself. */
function yamlWords(message: string): string {
  return message.includes('call stack') ? 'lists and maps are nested too deeply' : message;
}

const shownChars = 60;

function found(node: Node | null): string {
  if (node === null) return 'nothing';
  if (isMap(node)) return 'a map';
  if (isSeq(node)) return 'a list';
  if (!isScalar(node)) return 'something else';
  if (node.value === null) return 'nothing';
  const text = scalarText(node.value, node.source);
  return typeof node.value === 'string'
    ? JSON.stringify(text.length > shownChars ? `${text.slice(0, shownChars)}…` : text)
    : text;
}

/** As it was written: `6.10` stays 6.10. */
export function scalarText(value: unknown, source: string | undefined): string {
  return typeof value === 'string' ? value : (source ?? String(value));
}
