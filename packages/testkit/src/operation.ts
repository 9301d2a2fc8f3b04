/** One thing that people do with the grid in a run, and when; or what happens to a machine. */
import type { ModelSpec } from '@gryphgen/protocol';
import type { PolicyOperation } from './policy-check.ts';
import type { Script } from './task-script.ts';

/** Operations begin in this span; what they start goes on after it. */
export const workloadMs = 60_000;

export type Operation =
  | {
      readonly at: number;
      readonly kind: 'submit';
      readonly client: string;
      readonly no: number;
      readonly key: string;
      readonly script: Script;
    }
  /** Of whatever task submission `no` has become by then. */
  | { readonly at: number; readonly kind: 'cancel'; readonly client: string; readonly no: number }
  | {
      readonly at: number;
      readonly kind: 'watch';
      readonly client: string;
      readonly no: number;
      readonly progress: boolean;
    }
  | {
      readonly at: number;
      readonly kind: 'ask';
      readonly client: string;
      readonly op: 'show' | 'explain' | 'spec';
      readonly no: number;
    }
  | {
      readonly at: number;
      readonly kind: 'survey';
      readonly client: string;
      readonly op: 'ps' | 'nodes' | 'status';
    }
  | {
      readonly at: number;
      readonly kind: 'drain';
      readonly client: string;
      readonly worker: string;
      readonly draining: boolean;
      readonly deadlineMs?: number;
    }
  | {
      readonly at: number;
      readonly kind: 'plan';
      readonly client: string;
      readonly worker: string;
      readonly window: string;
      readonly inMs: number;
      readonly forMs?: number;
      readonly deadlineMs?: number;
    }
  | { readonly at: number; readonly kind: 'change'; readonly worker: string; readonly change: MachineChange }
  | PolicyOperation
  | {
      readonly at: number;
      readonly kind: 'model';
      readonly client: string;
      readonly op: 'addModel' | 'removeModel' | 'loadModel' | 'unloadModel';
      readonly args: { readonly model: ModelSpec } | { readonly name: string };
    }
  | { readonly at: number; readonly kind: 'remove'; readonly client: string; readonly worker: string }
  /** Whose key enters no more. */
  | { readonly at: number; readonly kind: 'revoke'; readonly client: string; readonly identity: string };

/** A program outside the grid takes or frees memory of the first card; pressures begin or end. */
export interface MachineChange {
  readonly foreignBytes: number;
  /** Kinds of tasks that a pressure of the machine stops. */
  readonly stops: readonly string[];
  /** The first card is under pressure. */
  readonly hot: boolean;
}
