/**
 * What the owner of a worker lets container tasks have, and what of it a task is granted.
 *
 * 1. It is enforced here by the task's body, whatever the broker placed and the envelope says.
 * 2. Nothing is granted in part: a task gets all it asks for, or is refused in words.
 * 3. Whoever is refused learns names of this worker's policy, never paths of its machine.
 */
import {
  allowsImage,
  type ContainerBody,
  covers,
  type Failure,
  failure,
  farthestBind,
  isRoot,
  isSameImage,
  knownFields,
  type MountNeed,
  type Network,
  type Offers,
  type PortBind,
  limits as protocolLimits,
  type Read,
  reaches,
} from '@gryphgen/protocol';

/** A folder of the machine that tasks may name. */
export interface PolicyMount {
  readonly path: string;
  /** Whether tasks may ask to write. */
  readonly write: boolean;
}

export interface ContainerPolicy {
  /** Patterns (protocol: image-reference); without them every image may run. */
  readonly images?: readonly string[];
  /** Whether whoever may submit may bring images here: those that may run. */
  readonly push: boolean;
  readonly mounts: Readonly<Record<string, PolicyMount>>;
  /** `none` is always allowed. */
  readonly networks: readonly Network[];
  /** Names as the engine has them; `*` stands for any characters. */
  readonly runtimes: readonly string[];
  /** Who may be uid 0: `remapped` means only where the engine makes that another user of the machine. */
  readonly root: RootRule;
  /** How far away others may connect to a task's ports. */
  readonly ports: PortRule;
  /** `uid[:gid]` of a task that names no user and whose image would run as root. */
  readonly user: string;
}

export const rootRules = ['no', 'remapped', 'yes'] as const;
export type RootRule = (typeof rootRules)[number];

export const portRules = ['none', 'loopback', 'all'] as const;
export type PortRule = (typeof portRules)[number];

/** Safe and usable: any image, but none of the machine's folders, not its network, not its root. */
export const defaultPolicy: ContainerPolicy = {
  push: true,
  mounts: {},
  networks: ['none', 'bridge'],
  // Each keeps containers apart at least as well as runc. Others may not: `nvidia` hands every GPU to who asks for it.
  runtimes: ['runc', 'crun', 'runsc*', 'kata*'],
  root: 'remapped',
  ports: 'loopback',
  // nobody
  user: '65534:65534',
};

/** What the engine says of itself. */
export interface EngineFacts {
  readonly runtimes: readonly string[];
  readonly defaultRuntime: string;
  /** Whether root in a container is not root of the machine: userns-remap, or an engine that is not root. */
  readonly remapsUsers: boolean;
}

/** What the engine says of an image. */
export interface ImageFacts {
  readonly id: string;
  /** `name:tag` and `name@digest`. */
  readonly references: readonly string[];
  /** As its maker wrote it: a name or a number, '' for root. */
  readonly user: string;
  readonly stopSignal: string;
}

export interface Grant {
  /** Undefined: the image's own. */
  readonly user: string | undefined;
  readonly runtime: string;
  /** Folders of the machine, as the policy names them. */
  readonly mounts: readonly GrantedMount[];
}

export interface GrantedMount {
  readonly name: string;
  readonly path: string;
  readonly to: string;
  readonly readOnly: boolean;
}

export function grant(
  policy: ContainerPolicy,
  engine: EngineFacts,
  body: ContainerBody,
  image: ImageFacts,
): Read<Grant> {
  const { network } = body;
  if (!isImageAllowed(policy, body.image, image)) return refused(`does not allow image ${body.image}`);
  if (network !== 'none' && !policy.networks.includes(network))
    return refused(`allows no ${network} network`);
  const runtimes = runtimesOf(policy, engine);
  const runtime = body.runtime ?? runtimes[0];
  if (runtime === undefined) return refused('allows no runtime that its engine has');
  if (!runtimes.includes(runtime)) return refused(`does not offer runtime ${runtime}`);
  const farthest = farthestBind(body.ports ?? []);
  if (farthest !== undefined && !reaches(publishable(policy), farthest))
    return refused(
      `lets tasks publish ports on ${policy.ports === 'none' ? 'no address' : 'loopback alone'}`,
    );
  const user = userOf(policy, engine, body, image);
  if (!user.ok) return user;
  const mounts: GrantedMount[] = [];
  for (const { name, to, readOnly } of body.mounts ?? []) {
    const mount = Object.hasOwn(policy.mounts, name) ? policy.mounts[name] : undefined;
    if (mount === undefined) return refused(`has no mount named ${name}`);
    if (!readOnly && !mount.write) return refused(`lets mount ${name} be read, not written`);
    mounts.push({ name, path: mount.path, to, readOnly });
  }
  return { ok: true, value: { user: user.value, runtime, mounts } };
}

/** By its name alone; once it is here, `grant` judges what the engine found by that name. */
export function imageRefusal({ images }: ContainerPolicy, asked: string): Failure | null {
  if (images === undefined || allowsImage(images, asked)) return null;
  return refused(`does not allow image ${asked}`).failure;
}

/** `present`: the mounts whose folders are there. Null when no engine answers. */
export function offersOf(
  policy: ContainerPolicy,
  engine: EngineFacts | null,
  present: ReadonlySet<string>,
): Offers {
  const mounts: readonly MountNeed[] = Object.entries(policy.mounts)
    .filter(([name]) => present.has(name))
    .map(([name, { write }]) => ({ name, write }));
  return {
    fields: knownFields,
    ...(policy.images !== undefined && { images: policy.images }),
    mounts: engine === null ? [] : mounts,
    networks: ['none', ...policy.networks.filter((network) => network !== 'none')],
    runtimes: engine === null ? [] : runtimesOf(policy, engine),
    root: engine !== null && mayBeRoot(policy, engine),
    ...(policy.ports !== 'none' && { ports: policy.ports }),
  };
}

function publishable({ ports }: ContainerPolicy): PortBind | undefined {
  return ports === 'none' ? undefined : ports;
}

/** First that of a task which names none: the engine's own where the policy allows it. */
function runtimesOf({ runtimes }: ContainerPolicy, engine: EngineFacts): readonly string[] {
  const { defaultRuntime } = engine;
  const allowed = engine.runtimes.filter((name) => runtimes.some((pattern) => covers(pattern, name)));
  const ordered = allowed.includes(defaultRuntime)
    ? [defaultRuntime, ...allowed.filter((name) => name !== defaultRuntime)]
    : allowed;
  return ordered.slice(0, protocolLimits.runtimes);
}

/**
 * The engine takes more for a name than a name: `abc123` may be the start of an image's id. So what it found must bear
 * the name that was allowed.
 */
function isImageAllowed({ images }: ContainerPolicy, asked: string, { references }: ImageFacts): boolean {
  return (
    images === undefined ||
    (allowsImage(images, asked) && references.some((reference) => isSameImage(reference, asked)))
  );
}

function mayBeRoot({ root }: ContainerPolicy, { remapsUsers }: EngineFacts): boolean {
  return root === 'yes' || (root === 'remapped' && remapsUsers);
}

/** Whether a task, or a command beside one, may be the user it names. */
export function userNamed(policy: ContainerPolicy, engine: EngineFacts, user: string): Read<string> {
  if (isRoot(user) && !mayBeRoot(policy, engine)) return refused('lets no container run as root');
  return { ok: true, value: user };
}

function userOf(
  policy: ContainerPolicy,
  engine: EngineFacts,
  { user }: ContainerBody,
  image: ImageFacts,
): Read<string | undefined> {
  if (mayBeRoot(policy, engine)) return { ok: true, value: user };
  if (user !== undefined) return userNamed(policy, engine, user);
  const [name = ''] = image.user.split(':');
  if (name === '' || name === 'root' || isRoot(name)) return { ok: true, value: policy.user };
  if (/^[0-9]+$/.test(name)) return { ok: true, value: undefined };
  return refused(
    `lets no container run as root, and who "${name}" is, the user of the image, only the image knows: name the user by number (--user UID)`,
  );
}

function refused(words: string): { readonly ok: false; readonly failure: Failure } {
  return { ok: false, failure: failure('rejected.forbidden', `the policy of this worker ${words}`) };
}
