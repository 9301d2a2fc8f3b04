/** A time as people write it on the command line: RFC 3339, HH:MM of this machine's day, or a duration from now. */
import { parseDuration } from '@gryphgen/protocol';
import type { Value } from './task-file/values.ts';

/** `inMs`: by the clock of whoever is told. */
export type Moment = { readonly at: number } | { readonly inMs: number };

const fullTime =
  /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?(?:[Zz]|[+-](\d{2}):(\d{2}))$/;
const timeOfDay = /^(\d{1,2}):(\d{2})$/;

/** Of HH:MM the next one after `now()`, today or tomorrow. */
export function moment(now: () => number = Date.now): Value<Moment> {
  return {
    expected: 'a time such as 2026-11-22T22:00:00Z, 22:00 (here, today or tomorrow) or 2h (from now)',
    parse: (text) => fullOf(text) ?? ofDay(text, now()) ?? fromNow(text),
  };
}

function fullOf(text: string): Moment | undefined {
  const [, ...parts] = fullTime.exec(text) ?? [];
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, offHour = 0, offMinute = 0] =
    parts.map((part) => Number(part ?? 0));
  if (parts.length === 0 || month < 1 || month > 12 || day < 1 || day > daysOf(year, month)) return undefined;
  if (hour > 23 || minute > 59 || second > 59 || offHour > 23 || offMinute > 59) return undefined;
  return { at: Date.parse(text.toUpperCase().replace(' ', 'T')) };
}

function daysOf(year: number, month: number): number {
  return new Date(Date.UTC(year, month, 0)).getUTCDate();
}

function ofDay(text: string, now: number): Moment | undefined {
  const [, hour, minute] = timeOfDay.exec(text) ?? [];
  if (hour === undefined || Number(hour) > 23 || Number(minute) > 59) return undefined;
  const [today, next] = [0, 1].map((days) => {
    const day = new Date(now);
    day.setDate(day.getDate() + days);
    return day.setHours(Number(hour), Number(minute), 0, 0);
  });
  return { at: today !== undefined && today > now ? today : (next ?? now) };
}

function fromNow(text: string): Moment | undefined {
  const inMs = parseDuration(text);
  return inMs === undefined ? undefined : { inMs };
}
