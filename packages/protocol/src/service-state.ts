/** What is known of a service that runs: where others reach it, and how well it is. */
import { z } from 'zod';
import { limits } from './limits.ts';
import { isPortName, type PortBind, type PortProtocol, portBinds, portProtocols } from './service-body.ts';

/** As its worker has it. `name` '' where the task gives none. */
export interface PublishedPort {
  readonly name: string;
  /** In the container. */
  readonly port: number;
  readonly protocol: PortProtocol;
  readonly bind: PortBind;
  /** Of the machine. */
  readonly hostPort: number;
}

/** As others reach it: `address` is `host:port`. */
export interface Address {
  readonly name: string;
  readonly port: number;
  readonly protocol: PortProtocol;
  readonly address: string;
}

export const healthStates = ['starting', 'healthy', 'unhealthy'] as const;
/** `words`: why the last check failed; '' when it did not. At most limits.healthChars. */
export interface Health {
  readonly state: (typeof healthStates)[number];
  readonly words: string;
}

const portNumber = z.number().int().min(1).max(65_535);
const name = z.string().refine((text) => text === '' || isPortName(text), "expected a port's name");

export const publishedPortSchema: z.ZodType<PublishedPort> = z.object({
  name,
  port: portNumber,
  protocol: z.enum(portProtocols),
  bind: z.enum(portBinds),
  hostPort: portNumber,
});

export const addressSchema: z.ZodType<Address> = z.object({
  name,
  port: portNumber,
  protocol: z.enum(portProtocols),
  address: z.string().max(limits.endpointChars + 8),
});

export const healthStateSchema: z.ZodType<Health> = z.object({
  state: z.enum(healthStates),
  words: z.string().max(limits.healthChars),
});
