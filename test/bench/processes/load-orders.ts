/** What the load process is told to do, and what it answers. Travels over Node's IPC channel. */

export type LoadOrder =
  /** Opens this many clients, each a session of its own. */
  | { readonly kind: 'open'; readonly home: string; readonly endpoint: string; readonly clients: number }
  /** Closed loop: `outstanding` tasks over all clients, each finished one followed by the next. */
  | {
      readonly kind: 'burst';
      readonly tasks: number;
      readonly outstanding: number;
      readonly sleepMs: number;
    }
  /** Open loop: tasks arrive at this rate whether or not others have finished. */
  | { readonly kind: 'steady'; readonly ratePerS: number; readonly seconds: number }
  /** Open loop, of three kinds at a time: tasks, questions that the broker answers alone, and a bare echo. */
  | { readonly kind: 'control'; readonly ratePerS: number; readonly seconds: number }
  /** Submits and waits for acceptance only; each body differs. With `shapes`, of so many, all for the whole processor, of which a task has a part. */
  | {
      readonly kind: 'queue';
      readonly tasks: number;
      readonly bodyBytes: number;
      readonly shapes?: number;
    }
  /** One container after the other. */
  | {
      readonly kind: 'container';
      readonly image: string;
      readonly command: readonly string[];
      readonly warm: boolean;
    };

export interface LoadReport {
  readonly tasks: number;
  readonly seconds: number;
  /** Submit to result (of `queue`: to acceptance; of what is no task: to the answer), in ms. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface ControlReport {
  readonly tasks: LoadReport;
  readonly questions: LoadReport;
  readonly echoes: LoadReport;
}

export type LoadAnswer =
  | { readonly kind: 'ready' }
  | { readonly kind: 'done'; readonly report: LoadReport }
  | { readonly kind: 'controlled'; readonly report: ControlReport }
  | { readonly kind: 'failed'; readonly message: string };
