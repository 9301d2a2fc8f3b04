/**
 * A broker's turn, without the I/O: events are stepped as they come, waiting tasks are placed once at the end, and what
 * must not leave before it is durable waits in the commit pipeline. The real shell and the simulator both drive this.
 */
import type { BrokerEffect } from './effects.ts';
import type { BrokerEvent, Now } from './events.ts';
import { CommitPipeline } from './record/commit-pipeline.ts';
import type { BrokerState } from './state.ts';
import { step } from './step.ts';

export class BrokerEngine {
  readonly state: BrokerState;
  readonly pipeline = new CommitPipeline();
  private readonly onRecord: (effect: Extract<BrokerEffect, { kind: 'record' }>) => void;

  /** `onRecord` sees each decision as it enters the open group. */
  constructor(
    state: BrokerState,
    onRecord: (effect: Extract<BrokerEffect, { kind: 'record' }>) => void = () => {},
  ) {
    this.state = state;
    this.onRecord = onRecord;
  }

  /** Returns the effects to perform now. */
  step(event: BrokerEvent, now: Now): BrokerEffect[] {
    const effects = step(this.state, event, now);
    for (const effect of effects) if (effect.kind === 'record') this.onRecord(effect);
    return this.pipeline.admit(effects);
  }
}
