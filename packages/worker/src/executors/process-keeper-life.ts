/**
 * The keeper of a worker, whichever it is at the moment: the one an earlier life left, or one that was forked, and after
 * its death the next.
 */
import type { Alarms, Log } from '@gryphgen/runtime';
import { forkKeeper, type KeeperLink, type Meeting, meetKeeper } from './process-keeper-link.ts';
import { endKeeper, type KeeperPlace, noteKeeper } from './process-keeper-place.ts';
import type { FromKeeper, HeldAttempt, ToKeeper } from './process-messages.ts';

/** Keepers that die at once have a reason that another one has too. */
const maxDeaths = 10;

export interface KeeperLifeOptions {
  readonly place: KeeperPlace;
  readonly file: string;
  readonly alarms: Alarms;
  readonly log: Log;
  readonly onMessage: (message: FromKeeper, bytes: Uint8Array) => void;
  /** What it held is lost; there is no other before this has resolved. */
  readonly onDeath: () => Promise<void>;
}

export class KeeperLife {
  /** Resolves when there is one, or no hope of one. */
  ready: Promise<void> = Promise.resolve();
  private readonly options: KeeperLifeOptions;
  private link: KeeperLink | null = null;
  private deaths = 0;
  private begun = false;
  private closed = false;

  constructor(options: KeeperLifeOptions) {
    this.options = options;
  }

  get isThere(): boolean {
    return this.link !== null;
  }

  get isHopeless(): boolean {
    return this.deaths >= maxDeaths;
  }

  /** What an earlier life's keeper holds, or in words why there is none that could say. Rejects when it cannot be asked. */
  async meet(): Promise<readonly HeldAttempt[] | { readonly why: string | null }> {
    const { place, alarms, log } = this.options;
    const met = await this.ask();
    if (met.kind === 'met') {
      this.begun = true;
      this.link = met.link;
      return met.held;
    }
    if (met.kind === 'useless')
      log.error({ why: met.why }, 'ending the process keeper of an earlier life, and what it holds');
    // One that is there and cannot be found would keep what it holds for nobody.
    await endKeeper(place, alarms);
    return {
      why: met.kind === 'none' ? null : `the keeper that held its process cannot be used: ${met.why}`,
    };
  }

  /** Forks one, if none was yet: it takes some 40 MB of memory. */
  beginOnce(): Promise<void> {
    return this.begun ? this.ready : this.begin();
  }

  /** Forks one. */
  begin(): Promise<void> {
    this.begun = true;
    this.ready = this.fork().catch((error: unknown) => {
      this.deaths = maxDeaths;
      this.options.log.error({ err: error }, 'the process keeper cannot be started: no processes run here');
    });
    return this.ready;
  }

  send(message: ToKeeper): void {
    this.link?.send(message);
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.ready;
    await this.link?.leave();
  }

  private async fork(): Promise<void> {
    const { place, file, alarms, log } = this.options;
    const pid = await forkKeeper(place, file, alarms);
    try {
      noteKeeper(place, pid);
    } catch (error) {
      log.warn({ err: error }, 'the process keeper cannot be noted');
    }
    const met = await this.ask();
    if (met.kind !== 'met') throw new Error(met.kind === 'none' ? 'it is gone already' : met.why);
    this.link = met.link;
  }

  private ask(): Promise<Meeting> {
    const { place, alarms, onMessage } = this.options;
    return meetKeeper(place, alarms, { onMessage, onGone: () => this.onGone() });
  }

  private onGone(): void {
    this.link = null;
    if (this.closed) return;
    const { place, alarms, log, onDeath } = this.options;
    this.deaths += 1;
    log.error({ deaths: this.deaths }, 'the process keeper died; its attempts are lost');
    // One that only broke the connection holds what nobody can end any more.
    const buried = endKeeper(place, alarms).then(onDeath);
    this.ready = buried.then(() => (this.isHopeless || this.closed ? undefined : this.begin()));
  }
}
