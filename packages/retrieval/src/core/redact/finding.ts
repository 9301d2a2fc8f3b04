/** What is taken out of texts: by kind, and where it stands. */
import { type RedactedKind, redactedKinds } from '@gryphgen/protocol';

/** What a pseudonym begins with says what it stands for. */
export const labels: Readonly<Record<RedactedKind, string>> = {
  email: 'EMAIL',
  phone: 'PHONE',
  key: 'KEY',
  token: 'TOKEN',
  name: 'NAME',
};

/** `subject`: the same however it is written. */
export interface Finding {
  readonly kind: RedactedKind;
  readonly start: number;
  readonly end: number;
  readonly subject: string;
}

/** Stretches that overlap are one, of the kind that comes first in `redactedKinds`: nothing of either is left. */
export function merged(text: string, found: readonly Finding[]): readonly Finding[] {
  const sorted = [...found].sort((a, b) => a.start - b.start || b.end - a.end);
  const apart: Finding[] = [];
  for (const one of sorted) {
    const last = apart.at(-1);
    if (last === undefined || one.start >= last.end) {
      apart.push(one);
      continue;
    }
    const isFirst = redactedKinds.indexOf(one.kind) < redactedKinds.indexOf(last.kind);
    const { kind, subject } = isFirst ? one : last;
    const end = Math.max(one.end, last.end);
    const isWhole = isFirst ? one.start === last.start && one.end === end : end === last.end;
    apart[apart.length - 1] = {
      ...{ kind, start: last.start, end },
      subject: isWhole ? subject : text.slice(last.start, end),
    };
  }
  return apart;
}
