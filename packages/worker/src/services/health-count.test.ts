import { beforeEach, describe, expect, it } from 'vitest';
import { HealthCount } from './health-count.ts';

const check = { intervalMs: 10_000, timeoutMs: 1000, retries: 3, startPeriodMs: 5000 };
let count: HealthCount;
beforeEach(() => {
  count = new HealthCount(check, 100_000);
});
const after = (ms: number, why = 'refused') => {
  count.checked(why, 100_000 + ms);
  return count.health.state;
};

describe('the health of a service', () => {
  it('is unhealthy after so many failures in a row, and not before', () => {
    expect([after(6000), after(7000), after(8000)]).toEqual(['starting', 'starting', 'unhealthy']);
    expect(count.health.words).toBe('refused');
  });

  it('counts no failure of its start period', () => {
    expect([1000, 2000, 3000, 4000].map((ms) => after(ms))).toEqual(Array(4).fill('starting'));
    expect([after(6000), after(7000)]).toEqual(['starting', 'starting']);
    expect(after(8000)).toBe('unhealthy');
  });

  it('counts failures of its start period once it was well', () => {
    expect(after(1000, '')).toBe('healthy');
    expect([after(1500), after(2000), after(2500)]).toEqual(['healthy', 'healthy', 'unhealthy']);
  });

  it('begins to count anew with each success', () => {
    expect([after(6000), after(7000), after(8000, '')]).toEqual(['starting', 'starting', 'healthy']);
    expect(count.health.words).toBe('');
    expect([after(9000), after(10_000)]).toEqual(['healthy', 'healthy']);
  });

  it('is looked at each second until it is well or its start period is over, then as often as was said', () => {
    expect(count.waitMs(100_000)).toBe(1000);
    expect(count.waitMs(105_000)).toBe(10_000);
    after(1000, '');
    expect(count.waitMs(101_000)).toBe(10_000);
  });
});
