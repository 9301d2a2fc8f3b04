/**
 * What a task needs of a worker beyond room: what the policy of its owner lets tasks ask for, what its engine can do, and
 * that it knows the fields the task uses. The client says it in the envelope; the worker says what it offers in its
 * report; placement compares the two (E20). The worker enforces its policy by the body, whatever the envelope says.
 *
 * 1. A task that needs nothing of the kind has no needs: it runs on workers of every age.
 */
import { z } from 'zod';
import type { TaskFiles } from './artifact.ts';
import {
  type ContainerBody,
  containerBodySchema,
  isMountName,
  isRuntimeName,
  networks,
} from './container-body.ts';
import { limits } from './limits.ts';
import { type PortBind, portBinds } from './service-body.ts';

export interface MountNeed {
  readonly name: string;
  readonly write: boolean;
}

export interface Needs {
  /** Fields that not every worker knows, as a task file names them; sorted. */
  readonly fields: readonly string[];
  /** Sorted by name. */
  readonly mounts?: readonly MountNeed[];
  readonly network?: 'bridge' | 'host';
  readonly runtime?: string;
  /** To run as uid 0. */
  readonly root?: true;
  /** To publish ports, some of them there. */
  readonly ports?: PortBind;
}

export interface Offers {
  /** Fields it knows that an older worker would not. */
  readonly fields: readonly string[];
  /** Patterns of the images it runs; without them it runs all. */
  readonly images?: readonly string[];
  /** Whose folders are there now. */
  readonly mounts: readonly MountNeed[];
  readonly networks: readonly (typeof networks)[number][];
  /** The first is that of a task that names none. */
  readonly runtimes: readonly string[];
  /** Whether a container may run as uid 0. */
  readonly root: boolean;
  /** The farthest where ports may be published; without it nowhere. */
  readonly ports?: PortBind;
}

/** Known to every worker there ever was. */
const first = new Set(['image', 'command', 'env', 'workdir', 'user', 'network', 'pids', 'tmpfsBytes']);

/** All that this version knows. */
export const knownFields: readonly string[] = [
  ...Object.keys(containerBodySchema.shape).filter((field) => !first.has(field)),
  'stopGrace',
].sort();

/**
 * `body`: of a container; of a process, the files it is given and leaves. `stopGraceMs`: of any task. Undefined when
 * there are none.
 */
export function needsOf(
  body: ContainerBody | TaskFiles | undefined,
  stopGraceMs: number | undefined,
): Needs | undefined {
  const given = Object.entries(body ?? {}).filter(
    ([field, value]) => !first.has(field) && value !== undefined,
  );
  const fields = [
    ...given.map(([field]) => field),
    ...(stopGraceMs === undefined ? [] : ['stopGrace']),
  ].sort();
  const container = (body ?? {}) as Partial<ContainerBody>;
  const { network = 'none', user, runtime } = container;
  const root = user !== undefined && isRoot(user);
  if (fields.length === 0 && network === 'none' && !root) return undefined;
  const mounts = mountNeeds(container.mounts ?? []);
  const ports = farthestBind(container.ports ?? []);
  return {
    fields,
    ...(mounts.length > 0 && { mounts }),
    ...(network !== 'none' && { network }),
    ...(runtime !== undefined && { runtime }),
    ...(root && { root }),
    ...(ports !== undefined && { ports }),
  };
}

/** Of `uid[:gid]`. */
export function isRoot(user: string): boolean {
  return Number.parseInt(user, 10) === 0;
}

/** Undefined of no ports. */
export function farthestBind(ports: readonly { readonly bind: PortBind }[]): PortBind | undefined {
  return portBinds.findLast((bind) => ports.some((port) => port.bind === bind));
}

/** Whether who may publish as far as `allowed` may publish at `bind`. */
export function reaches(allowed: PortBind | undefined, bind: PortBind): boolean {
  return allowed === bind || allowed === 'all';
}

/** One for each name: a mount may be put in two places. */
function mountNeeds(mounts: readonly { readonly name: string; readonly readOnly: boolean }[]): MountNeed[] {
  const names = [...new Set(mounts.map(({ name }) => name))].sort();
  return names.map((name) => ({
    name,
    write: mounts.some((mount) => mount.name === name && !mount.readOnly),
  }));
}

const field = z
  .string()
  .min(1)
  .max(32)
  .regex(/^[ -~]*$/, 'expected plain ASCII');
const mount = z.object({
  name: z.string().refine(isMountName, "expected a mount's name"),
  write: z.boolean(),
});
const runtime = z.string().refine(isRuntimeName, "expected a runtime's name");

export const needsSchema: z.ZodType<Needs> = z.object({
  fields: z.array(field).max(limits.fields),
  mounts: z.array(mount).max(limits.mounts).optional(),
  network: z.enum(['bridge', 'host']).optional(),
  runtime: runtime.optional(),
  root: z.literal(true).optional(),
  ports: z.enum(portBinds).optional(),
});

export const offersSchema: z.ZodType<Offers> = z.object({
  fields: z.array(field).max(limits.fields),
  images: z
    .array(
      z
        .string()
        .max(128)
        .regex(/^[ -~]*$/, 'expected plain ASCII'),
    )
    .max(limits.imagePatterns)
    .optional(),
  mounts: z.array(mount).max(limits.mounts),
  networks: z.array(z.enum(networks)).max(networks.length),
  runtimes: z.array(runtime).max(limits.runtimes),
  root: z.boolean(),
  ports: z.enum(portBinds).optional(),
});
