/** The grid's models behind OpenAI's HTTP API. */
export { type ActingOptions, ActingSessions } from './acting-sessions.ts';
export { Gateway, type GatewayOptions } from './gateway.ts';
export type { Asker, GridDoor } from './grid-door.ts';
