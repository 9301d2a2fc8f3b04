/** Keys of a header as what they ought to be: a key of the wrong kind is a GgufProblem, a missing one the default. */
import { GgufProblem } from './byte-cursor.ts';
import type { GgufHeader, GgufValue } from './read-header.ts';

export class Metadata {
  private readonly values: GgufHeader['metadata'];

  constructor(values: GgufHeader['metadata']) {
    this.values = values;
  }

  has(key: string): boolean {
    return this.values.has(key);
  }

  text(key: string): string | undefined {
    return this.as(key, 'text', (value) => (typeof value === 'string' ? value : undefined));
  }

  flag(key: string): boolean | undefined {
    return this.as(key, 'true or false', (value) => (typeof value === 'boolean' ? value : undefined));
  }

  count(key: string): number | undefined {
    return this.as(key, 'a count', countOf);
  }

  /** How many values an array has; undefined for what is none. */
  length(key: string): number | undefined {
    const value = this.values.get(key);
    if (Array.isArray(value)) return value.length;
    return typeof value === 'object' && 'count' in value ? value.count : undefined;
  }

  /** One for each of `layers`: a key has a value for all of them, or a list. */
  perLayer(key: string, layers: number): readonly number[] | undefined {
    return this.as(key, `a count, or one for each of ${layers} layers`, (value) => {
      const one = countOf(value);
      if (one !== undefined) return Array.from({ length: layers }, () => one);
      if (!Array.isArray(value) || value.length < layers) return undefined;
      const counts = value.slice(0, layers).map(countOf);
      return counts.every((count) => count !== undefined) ? counts : undefined;
    });
  }

  private as<T>(key: string, what: string, read: (value: GgufValue) => T | undefined): T | undefined {
    const value = this.values.get(key);
    if (value === undefined) return undefined;
    const found = read(value);
    if (found === undefined) throw new GgufProblem(`${key} is not ${what}`);
    return found;
  }
}

function countOf(value: GgufValue): number | undefined {
  const number = typeof value === 'bigint' || typeof value === 'boolean' ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : undefined;
}
