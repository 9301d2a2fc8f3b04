/** What the simulation found wrong: which rule was broken, and how. */
export class SimFailure extends Error {
  /** A short name of the rule; a shrunk run must break the same one. */
  readonly rule: string;

  constructor(rule: string, words: string, cause?: unknown) {
    super(`${rule}: ${words}`, cause === undefined ? undefined : { cause });
    this.name = 'SimFailure';
    this.rule = rule;
  }
}
