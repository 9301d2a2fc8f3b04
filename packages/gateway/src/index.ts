/** The grid's models behind OpenAI's HTTP API. */
export { type ActingOptions, ActingSessions } from './acting-sessions.ts';
export { Gateway, type GatewayOptions } from './gateway.ts';
export type { Asker, DoorAnswer, GridDoor, ListedModel } from './grid-door.ts';
export { type Fallback, FallbackDoor } from './providers/fallback-door.ts';
export { Provider, type ProviderOptions, providerApis } from './providers/provider.ts';
