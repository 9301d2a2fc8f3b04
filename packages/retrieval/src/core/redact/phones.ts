/**
 * Telephone numbers: written with a country's code, as in North America, with a leading 0 and groups, or after a word that says
 * what they are. Numbers of other things are left: dates, versions, addresses of machines, counts.
 *
 * 1. A text is gone through once: a stretch of digits and what may stand between them is parted into groups, and each group is
 *    looked at with a bounded number of those behind it.
 */
import type { Finding } from './finding.ts';

interface Group {
  readonly digits: string;
  readonly start: number;
  readonly end: number;
  /** What stands before it: after the group before, or what the stretch begins with. */
  readonly before: string;
}

const WITHIN = /[\d \t\u00a0()./+\u2010-\u2015-]/;
const WORD = /[\p{L}\p{N}_]/u;
const CALLED =
  /(?:tel|phone|fax|mobile?|cell|call|telefon|telephone|t[eé]l[eé]phone|handy|whatsapp)[.:]?\s?(?:no\.?|nr\.?|number)?["'’]?\s?[:=]?\s?["'’(]?$/iu;
const calledChars = 32;
/** Of the world's numbering plan. */
const mostDigits = 15;
const leastDigits = 7;
const mostGroups = 7;

export function phones(text: string): readonly Finding[] {
  const found: Finding[] = [];
  for (const groups of stretches(text)) {
    for (let at = 0; at < groups.length; ) {
      const taken = number(text, groups, at);
      if (taken === undefined) {
        at += 1;
        continue;
      }
      const first = groups[at] as Group;
      const last = groups[at + taken.groups - 1] as Group;
      const lead = /[+(]+$/.exec(first.before)?.[0].length ?? 0;
      found.push({ kind: 'phone', start: first.start - lead, end: last.end, subject: taken.subject });
      at += taken.groups;
    }
  }
  return found;
}

/** Not those that a word goes on with, such as a version's or an identifier's. */
function* stretches(text: string): Generator<readonly Group[]> {
  for (let at = 0; at < text.length; ) {
    if (!WITHIN.test(text[at] as string)) {
      at += 1;
      continue;
    }
    const start = at;
    const groups: Group[] = [];
    let gap = at;
    while (at < text.length && WITHIN.test(text[at] as string)) {
      if (!isDigit(text, at)) {
        at += 1;
        continue;
      }
      const from = at;
      while (isDigit(text, at)) at += 1;
      groups.push({
        digits: text.slice(from, at),
        start: from,
        end: at,
        before: text.slice(gap, from).slice(-4),
      });
      gap = at;
    }
    // Digits of a word are no group of a number.
    const [first] = groups;
    if (first?.start === start && start > 0 && WORD.test(text[start - 1] as string)) groups.shift();
    const last = groups.at(-1);
    if (last !== undefined && last.end === at && at < text.length && WORD.test(text[at] as string))
      groups.pop();
    if (groups.length > 0) yield groups;
  }
}

const isDigit = (text: string, at: number): boolean => {
  const code = text.charCodeAt(at);
  return code >= 48 && code <= 57;
};

interface Taken {
  readonly groups: number;
  readonly subject: string;
}

function number(text: string, groups: readonly Group[], at: number): Taken | undefined {
  const first = groups[at] as Group;
  if (/\+\(?$/.test(first.before)) return international(groups, at);
  const called = CALLED.test(text.slice(Math.max(0, first.start - calledChars), first.start));
  const isInside = at > 0 && /^[-./]$/.test(first.before);
  if (isInside && !called) return undefined;
  if (/^00[1-9]/.test(first.digits)) {
    const taken = international(groups, at);
    if (taken !== undefined && (taken.groups > 1 || called)) return taken;
  }
  return american(groups, at) ?? (called ? any(groups, at) : trunk(groups, at));
}

function international(groups: readonly Group[], at: number): Taken | undefined {
  const run = joined(groups, at, mostDigits + 2);
  // "+49 (0)30": the 0 is for callers at home.
  const digits = run.map(({ digits, before }, n) =>
    n > 0 && digits === '0' && before.endsWith('(') ? '' : digits,
  );
  const whole = digits.join('').replace(/^00/, '');
  if (whole.length < leastDigits || whole.length > mostDigits) return undefined;
  return { groups: run.length, subject: `+${whole}` };
}

/** 555-123-4567, (555) 123-4567, +1 apart. */
function american(groups: readonly Group[], at: number): Taken | undefined {
  const isLong = groups[at]?.digits === '1';
  const [area, exchange, line, next] = groups.slice(at + (isLong ? 1 : 0), at + (isLong ? 5 : 4));
  if (area === undefined || exchange === undefined || line === undefined) return undefined;
  const shape = [area, exchange, line].map(({ digits }) => digits.length).join();
  if (shape !== '3,3,4' || !/^[2-9]/.test(area.digits) || !/^[2-9]/.test(exchange.digits)) {
    if (shape !== '3,3,4' || !area.before.endsWith('(')) return undefined;
  }
  if (!/^(?:[-.]|\) ?-?)$/.test(exchange.before) || !/^[-. ]$/.test(line.before)) return undefined;
  if (next !== undefined && /^[-./]$/.test(next.before)) return undefined;
  return { groups: isLong ? 4 : 3, subject: `+1${area.digits}${exchange.digits}${line.digits}` };
}

/** 030 1234567, 0171-1234567, 01 42 68 53 00. */
function trunk(groups: readonly Group[], at: number): Taken | undefined {
  const run = joined(groups, at, 12);
  const lengths = run.map(({ digits }) => digits.length);
  const total = lengths.reduce((sum, one) => sum + one, 0);
  const [first = 0, second = 0, third = 0] = lengths;
  if (!/^0[1-9]/.test(run[0]?.digits ?? '') || first > 6 || run.length < 2) return undefined;
  const isDate = first === 2 && second === 2 && (third === 4 || (third === 2 && run.length === 3));
  const isPairs = lengths.length === 5 && lengths.every((one) => one === 2);
  const isGrouped = lengths.every((one) => one >= 2) && lengths.slice(1).some((one) => one >= 3);
  if (total < 9 || isDate || !(isPairs || isGrouped)) return undefined;
  const isRow = [at > 0 ? run[0] : undefined, groups[at + run.length]].some(
    (group) => group !== undefined && isJoint(group.before),
  );
  if (isPairs && isRow) return undefined;
  return { groups: run.length, subject: run.map(({ digits }) => digits).join('') };
}

function any(groups: readonly Group[], at: number): Taken | undefined {
  const run = joined(groups, at, mostDigits);
  const subject = run.map(({ digits }) => digits).join('');
  return subject.length < leastDigits ? undefined : { groups: run.length, subject };
}

/** Groups that go on from this one, up to so many digits. */
function joined(groups: readonly Group[], at: number, most: number): readonly Group[] {
  const run: Group[] = [];
  let digits = 0;
  for (const group of groups.slice(at, at + mostGroups)) {
    if (run.length > 0 && !isJoint(group.before)) break;
    // A number that is whole, and another thing behind a space.
    const last = run.at(-1);
    if (last !== undefined && digits >= 10 && group.before === ' ' && last.digits.length >= 6) break;
    if (digits + group.digits.length > most) break;
    run.push(group);
    digits += group.digits.length;
  }
  return run;
}

function isJoint(between: string): boolean {
  return (
    between.length <= 3 &&
    /^(?:|[-./\u2010-\u2015()]|\)[-/]|\(\))$/.test(between.replaceAll(/[ \t\u00a0]/g, ''))
  );
}
