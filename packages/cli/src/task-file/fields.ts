/**
 * Readers of values. Each takes a node and its path, and returns the value or notes what was found and what was
 * expected. A key that is not there, or is there without a value, is for the reader of its map to judge.
 */
import { nearest } from '@gryphgen/protocol';
import { isMap, isScalar, isSeq, type Node, type Scalar } from 'yaml';
import type { Value } from './values.ts';
import { scalarText, type YamlSource } from './yaml-source.ts';

export type Reader<T> = (source: YamlSource, node: Node, path: string) => T | undefined;

/** A scalar as it was written: `6.10` stays 6.10, a number or a truth value may be text. */
export function scalar<T>({ expected, parse }: Value<T>): Reader<T> {
  return (source, node, path) => {
    const found = source.follow(node);
    if (!isScalar(found) || found.value === null) return source.unexpected(node, path, expected);
    return parse(scalarText(found.value, found.source)) ?? source.unexpected(node, path, expected);
  };
}

export const truth: Reader<boolean> = (source, node, path) => {
  const found = source.follow(node);
  if (isScalar(found) && typeof found.value === 'boolean') return found.value;
  return source.unexpected(node, path, 'true or false');
};

export function oneOf<T extends string>(values: readonly T[]): Reader<T> {
  return (source, node, path) => {
    const found = source.follow(node);
    const written = isScalar(found) ? String(found.value) : undefined;
    const value = values.find((candidate) => candidate === written);
    if (value !== undefined) return value;
    const hint = written === undefined ? undefined : nearest(written, values);
    const meant = hint === undefined ? '' : ` (did you mean ${hint}?)`;
    return source.unexpected(node, path, `one of ${values.join(', ')}${meant}`);
  };
}

export function list<T>(expected: string, item: Reader<T>): Reader<readonly T[]> {
  return (source, node, path) => {
    const seq = source.follow(node);
    if (!isSeq<Node>(seq)) return source.unexpected(node, path, expected);
    const items = seq.items.map((element, index) => {
      source.note(`${path}[${index}]`, element);
      return item(source, element, `${path}[${index}]`);
    });
    return items.every((value) => value !== undefined) ? (items as readonly T[]) : undefined;
  };
}

/** One that stands alone is a list of one. */
export function oneOrMany<T>(item: Reader<T>): Reader<readonly T[]> {
  const many = list('a text or a list of them', item);
  return (source, node, path) => {
    if (isSeq(source.follow(node))) return many(source, node, path);
    const value = item(source, node, path);
    return value === undefined ? undefined : [value];
  };
}

/** A map whose meaning is another's to judge. */
export const anyMap: Reader<object> = (source, node, path) => {
  const found = source.follow(node);
  if (!isMap(found)) return source.unexpected(node, path, 'a map');
  const value: unknown = source.plain(found);
  return typeof value === 'object' && value !== null
    ? value
    : source.problem(node, path, 'its aliases name too much');
};

/** A map with keys of the writer's choice. */
export function mapOf<T>(keys: Value<string>, value: Reader<T>): Reader<Record<string, T>> {
  return (source, node, path) => {
    const map = source.follow(node);
    if (!isMap<Scalar<string>, Node | null>(map)) return source.unexpected(node, path, 'a map');
    const entries: [string, T][] = [];
    for (const { key, value: held } of map.items) {
      const name = String(key.value);
      const at = `${path}.${name}`;
      source.note(at, key);
      if (keys.parse(name) === undefined)
        source.problem(key, at, `found key ${JSON.stringify(name)}, expected ${keys.expected}`);
      const read =
        held === null ? source.problem(key, at, 'found nothing, expected a value') : value(source, held, at);
      if (read !== undefined) entries.push([name, read]);
    }
    return Object.fromEntries(entries);
  };
}

/** `later`: keys of a later version, and what to say of them. */
export function object<T extends object>(
  fields: { readonly [K in keyof T]-?: Reader<NonNullable<T[K]>> },
  later: Readonly<Record<string, string>> = {},
): Reader<Partial<T>> {
  const known = Object.keys(fields);
  return (source, node, path) => {
    const map = source.follow(node);
    if (!isMap<Scalar<string>, Node | null>(map))
      return source.unexpected(node, path, `a map with ${known.join(', ')}`);
    const result: Partial<T> = {};
    for (const { key, value } of map.items) {
      const name = String(key.value);
      const at = path === '' ? name : `${path}.${name}`;
      source.note(at, key);
      const words = Object.hasOwn(later, name) ? later[name] : undefined;
      if (words !== undefined) source.problem(key, at, words);
      else if (!Object.hasOwn(fields, name)) {
        const hint = nearest(name, known);
        const expected = hint === undefined ? `one of ${known.join(', ')}` : `"${hint}"`;
        source.problem(key, at, `found unknown key ${JSON.stringify(name)}, expected ${expected}`);
      } else if (value === null || (isScalar(value) && value.value === null)) {
        source.problem(key, at, 'found nothing, expected a value (or leave the key out)');
      } else {
        const field = name as keyof T;
        const read = fields[field](source, value, at);
        if (read !== undefined) result[field] = read;
      }
    }
    return result;
  };
}
