/** Ends what ended attempts left outside of their process group, somewhat after the first of them; one search serves all that ended. */
import type { Alarms, Cancel, Log } from '@gryphgen/runtime';
import { killStrays } from './stray-processes.ts';

/** From the end of an attempt to the search for what it left, which reads all of /proc. */
const searchMs = 1000;

export interface StraySearchOptions {
  readonly alarms: Alarms;
  readonly log: Log;
  /** Of the scratch folders. */
  readonly root: string;
  readonly isRunning: (scratch: string) => boolean;
}

export class StraySearch {
  private readonly options: StraySearchOptions;
  private cancel: Cancel | null = null;

  constructor(options: StraySearchOptions) {
    this.options = options;
  }

  later(): void {
    this.cancel ??= this.options.alarms.after(searchMs, () => void this.search());
  }

  stop(): void {
    this.cancel?.();
  }

  private async search(): Promise<void> {
    this.cancel = null;
    const { log, root, isRunning } = this.options;
    try {
      const killed = await killStrays(root, isRunning);
      if (killed > 0) log.warn({ killed }, 'killed processes that ended attempts left');
    } catch (error) {
      log.warn({ err: error }, 'processes that ended attempts left cannot be looked for');
    }
  }
}
