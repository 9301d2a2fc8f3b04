/** Time as an argument: what reads a clock or waits takes these, so that tests decide when it is. */

export interface Clock {
  /** Milliseconds from an arbitrary start; never goes back. For durations. */
  mono(): number;
  /** Milliseconds since 1970. For what people and other machines read. */
  wall(): number;
}

export type Cancel = () => void;

export interface Alarms {
  /** Calls `run` once, `ms` from now, unless cancelled before. */
  after(ms: number, run: () => void): Cancel;
}

export const systemClock: Clock = {
  mono: () => performance.now(),
  wall: () => Date.now(),
};

export const systemAlarms: Alarms = {
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
};
