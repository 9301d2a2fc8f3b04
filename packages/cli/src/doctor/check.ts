/** One thing that `grid doctor` looks at. */
export interface Check {
  readonly name: string;
  /** `warning`: the grid works, with less. */
  readonly state: 'ok' | 'warning' | 'error';
  readonly found: string;
  /** What to do about it; only when there is something to do. */
  readonly fix?: string;
}
