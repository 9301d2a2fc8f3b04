/** What a container remembers of the service in it, for a later life of its worker: nothing of one that is none. */
import { type ContainerBody, healthSchema, networks, portsSchema } from '@gryphgen/protocol';
import { z } from 'zod';

const name = 'gryphgen.service';

const factsSchema = z.object({
  network: z.enum(networks),
  ports: portsSchema.optional(),
  health: healthSchema.optional(),
});
export type ServiceFacts = z.infer<typeof factsSchema>;

export function writeService({ network, ports, health }: ContainerBody): Record<string, string> {
  if (ports === undefined && health === undefined) return {};
  return { [name]: JSON.stringify({ network, ports, health } satisfies ServiceFacts) };
}

/** Undefined of no service, and of what we did not write. */
export function readService(labels: Readonly<Record<string, string>>): ServiceFacts | undefined {
  const written = labels[name];
  if (written === undefined) return undefined;
  try {
    return factsSchema.safeParse(JSON.parse(written)).data;
  } catch {
    return undefined;
  }
}
