/** How the texts of one collection are redacted: what is taken out, and by which key. */
import type { RedactedKind, RevealResult } from '@gryphgen/protocol';
import { NameList } from '../core/redact/names.ts';
import { PSEUDONYM, Redactor } from '../core/redact/redactor.ts';
import type { SealedPseudonym } from '../store/store.ts';
import { RedactionKey } from './redaction-key.ts';

/** As it crosses to the thread. */
export interface RedactionTerms {
  readonly kinds: readonly RedactedKind[];
  readonly names: readonly string[];
  readonly secret: Uint8Array;
}

export class Redaction {
  readonly terms: RedactionTerms;
  readonly key: RedactionKey;
  private readonly names: NameList;

  constructor(terms: RedactionTerms) {
    this.terms = terms;
    this.key = new RedactionKey(terms.secret);
    this.names = new NameList(terms.names);
  }

  /** For one file or question: it remembers what it took out. */
  redactor(): Redactor {
    const rules = { kinds: new Set(this.terms.kinds), names: this.names };
    return new Redactor(rules, (kind, subject) => this.key.marker(kind, subject));
  }

  text(text: string): string {
    return this.redactor().text(text);
  }

  sealed({ originals }: Redactor): readonly SealedPseudonym[] {
    return [...originals].map(([name, original]) => ({ name, sealed: this.key.seal(name, original) }));
  }

  /** Undefined for a pseudonym of another key. */
  opened({ name, sealed }: SealedPseudonym): string | undefined {
    return this.key.open(name, sealed);
  }
}

/** Each once. */
export function pseudonymsIn(text: string): readonly string[] {
  return [...new Set(text.match(PSEUDONYM))];
}

/** With what its pseudonyms stand for. */
export function revealed(
  text: string,
  redaction: Redaction,
  known: readonly SealedPseudonym[],
): RevealResult {
  const originals = new Map(known.map((one) => [one.name, redaction.opened(one)]));
  let [told, unknown] = [0, 0];
  const whole = text.replaceAll(PSEUDONYM, (name) => {
    const original = originals.get(name);
    if (original === undefined) unknown += 1;
    else told += 1;
    return original ?? name;
  });
  return { text: whole, revealed: told, unknown };
}
