/** Submit tasks to a grid, watch them, ask it questions. */
export type { ClientEffect } from './core/effects.ts';
export type { ClientEvent } from './core/events.ts';
export { type ClientBounds, type ClientState, createClientState } from './core/state.ts';
export { composeClientHello, stepClient } from './core/step.ts';
