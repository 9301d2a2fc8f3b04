/** The grid's models behind OpenAI's HTTP API. */
export { Gateway, type GatewayOptions } from './gateway.ts';
export type { Answer, Asker, GridDoor, Question } from './grid-door.ts';
