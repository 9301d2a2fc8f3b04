/**
 * Takes out of texts what says who or lets in: each by a pseudonym that is the same wherever the same subject stands.
 *
 * 1. What is found is what is looked for by kind, no more: a text may still tell of a person whom nobody named.
 * 2. Line breaks stay: lines count as before.
 * 3. Done again, nothing changes: pseudonyms are none of the kinds.
 */
import type { RedactedKind } from '@gryphgen/protocol';
import type { Block } from '../chunk/block.ts';
import { emails } from './emails.ts';
import { type Finding, labels, merged } from './finding.ts';
import type { NameList } from './names.ts';
import { phones } from './phones.ts';
import { endsWithinKey, keyEnd, keys, tokens } from './secrets.ts';

/** `EMAIL-7f3a9c01d2e4b5a6`. */
export const PSEUDONYM = new RegExp(`\\b(?:${Object.values(labels).join('|')})-[0-9a-f]{16}\\b`, 'g');

/** 16 hex digits, by the kind and the subject. */
export type Marker = (kind: RedactedKind, subject: string) => string;

export interface RedactionRules {
  readonly kinds: ReadonlySet<RedactedKind>;
  readonly names: NameList;
}

export class Redactor {
  private readonly rules: RedactionRules;
  private readonly marker: Marker;
  /** What each pseudonym stands for, as it was written first. */
  readonly originals = new Map<string, string>();

  constructor(rules: RedactionRules, marker: Marker) {
    this.rules = rules;
    this.marker = marker;
  }

  text(text: string): string {
    const found = merged(text, this.findings(text));
    let done = 0;
    let redacted = '';
    for (const { kind, subject, start, end } of found) {
      const written = text.slice(start, end);
      redacted += text.slice(done, start) + this.pseudonym(kind, subject, written);
      done = end;
    }
    return redacted + text.slice(done);
  }

  /** Parts of one document, in order: a private key may go on from one to the next. */
  blocks(blocks: readonly Block[]): readonly Block[] {
    let isWithin = false;
    const hasKeys = this.rules.kinds.has('key');
    return blocks.map((block) => {
      const end = isWithin ? keyEnd(block.text) : 0;
      const from = end ?? block.text.length;
      const rest = block.text.slice(from);
      isWithin = hasKeys && (end === undefined || endsWithinKey(rest));
      const begun = block.text.slice(0, from);
      const hidden = begun === '' ? '' : this.pseudonym('key', begun, begun);
      const names = (list: readonly string[]) => list.map((one) => this.text(one));
      const { headings, symbols } = block;
      return {
        ...block,
        text: hidden + this.text(rest),
        headings: names(headings),
        symbols: names(symbols),
        ...(block.place !== undefined && { place: this.text(block.place) }),
      };
    });
  }

  private findings(text: string): readonly Finding[] {
    const { kinds, names } = this.rules;
    return [
      ...(kinds.has('key') ? keys(text) : []),
      ...(kinds.has('token') ? tokens(text) : []),
      ...(kinds.has('email') ? emails(text) : []),
      ...(kinds.has('phone') ? phones(text) : []),
      ...(kinds.has('name') ? names.findings(text) : []),
    ];
  }

  private pseudonym(kind: RedactedKind, subject: string, written: string): string {
    const name = `${labels[kind]}-${this.marker(kind, subject)}`;
    if (!this.originals.has(name)) this.originals.set(name, written);
    return name + '\n'.repeat(written.split('\n').length - 1);
  }
}
