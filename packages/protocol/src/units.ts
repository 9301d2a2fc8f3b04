/** Sizes and times as people write them: `256MiB`, `1.5GiB`, `500m` (milli-CPU), `10m` (minutes), `90s`. */

const byteUnits: Record<string, number> = {
  '': 1,
  b: 1,
  k: 1e3,
  kb: 1e3,
  kib: 1024,
  m: 1e6,
  mb: 1e6,
  mib: 1024 ** 2,
  g: 1e9,
  gb: 1e9,
  gib: 1024 ** 3,
  t: 1e12,
  tb: 1e12,
  tib: 1024 ** 4,
};

/** Bytes, a whole number ≥ 0 and at most 2^53; undefined when the text is not a size. */
export function parseBytes(text: string): number | undefined {
  const match = /^([0-9]{1,16}(?:\.[0-9]{1,6})?) ?([a-zA-Z]{0,3})$/.exec(text);
  const unit = byteUnits[(match?.[2] ?? '').toLowerCase()];
  if (!match || unit === undefined) return undefined;
  const bytes = Math.round(Number(match[1]) * unit);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

const dayMs = 86_400e3;
const durationUnits: Record<string, number> = { ms: 1, s: 1e3, m: 60e3, h: 3600e3, d: dayMs };

const amount = '[0-9]{1,9}(?:\\.[0-9]{1,3})?';
/** From the largest unit down, each at most once: `100d100d` is a slip of the hand. */
const durationPattern = new RegExp(
  `^${['d', 'h', 'm', 's', 'ms'].map((unit) => `(?:${amount}${unit})?`).join('')}$`,
);

/** Milliseconds; `90s`, `1h30m`, `500ms`; a bare number is seconds. Undefined when the text is not a duration. */
export function parseDuration(text: string): number | undefined {
  if (/^[0-9]{1,9}(\.[0-9]{1,3})?$/.test(text)) return Math.round(Number(text) * 1000);
  if (text === '' || !durationPattern.test(text)) return undefined;
  let total = 0;
  for (const [, value, , unit] of text.matchAll(/([0-9]+(\.[0-9]+)?)(ms|s|m|h|d)/g)) {
    total += Number(value) * (durationUnits[unit ?? ''] ?? 0);
  }
  return Math.round(total);
}

/** Thousandths of a CPU: `2`, `0.5`, `500m`. Undefined when the text is not a CPU count. */
export function parseCpu(text: string): number | undefined {
  const milli = /^([0-9]{1,7})m$/.exec(text);
  if (milli) return Number(milli[1]);
  return /^[0-9]{1,5}(\.[0-9]{1,3})?$/.test(text) ? Math.round(Number(text) * 1000) : undefined;
}

/** Tenths of a CUDA compute capability: `6.1` → 61. */
export function parseComputeCapability(text: string): number | undefined {
  const match = /^([0-9]{1,2})\.([0-9])$/.exec(text);
  return match ? Number(match[1]) * 10 + Number(match[2]) : undefined;
}

export function formatComputeCapability(tenths: number): string {
  return `${Math.floor(tenths / 10)}.${tenths % 10}`;
}

/** `6064 MiB`, `1.5 GiB`: exact in MiB below 16 GiB, because sizes of cards are compared to the MiB. */
export function formatBytes(bytes: number): string {
  const mib = bytes / 1024 ** 2;
  if (mib < 1) return bytes < 1024 ? `${bytes} B` : `${trim(bytes / 1024)} KiB`;
  if (mib < 1024 || (mib < 16_384 && mib % 1024 !== 0)) return `${trim(mib)} MiB`;
  const gib = mib / 1024;
  return gib < 1024 ? `${trim(gib)} GiB` : `${trim(gib / 1024)} TiB`;
}

/** `350 ms`, `2.1 s`, `3 m 20 s`, `2 h 5 m` */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${trim(ms / 1000)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes} m ${Math.floor((ms % 60_000) / 1000)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} m`;
}

/** `2026-11-21T14:30:05Z`, of wall-clock ms since 1970. By itself: pure code makes no Date. */
export function formatTime(wallMs: number): string {
  const days = Math.floor(wallMs / dayMs);
  const seconds = Math.floor((wallMs - days * dayMs) / 1000);
  const clock = [seconds / 3600, (seconds / 60) % 60, seconds % 60].map(twoDigits).join(':');
  return `${formatDay(days)}T${clock}Z`;
}

/** Of days since 1970: years counted from March, so that the day that some lack is the last (Hinnant, civil_from_days). */
function formatDay(since1970: number): string {
  const days = since1970 + 719_468;
  const era = Math.floor(days / 146_097);
  const ofEra = days - era * 146_097;
  const yearOfEra = Math.floor(
    (ofEra - Math.floor(ofEra / 1460) + Math.floor(ofEra / 36_524) - Math.floor(ofEra / 146_096)) / 365,
  );
  const ofYear = ofEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const fromMarch = Math.floor((5 * ofYear + 2) / 153);
  const day = ofYear - Math.floor((153 * fromMarch + 2) / 5) + 1;
  const month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9;
  return `${yearOfEra + era * 400 + (month <= 2 ? 1 : 0)}-${twoDigits(month)}-${twoDigits(day)}`;
}

function twoDigits(value: number): string {
  return String(Math.floor(value)).padStart(2, '0');
}

function trim(value: number): string {
  return value.toFixed(1).replace(/\.0$/, '');
}
