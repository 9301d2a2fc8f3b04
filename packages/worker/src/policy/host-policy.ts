/**
 * A worker's policy on its machine: the rules (container-policy.ts) beside the folders that are there now.
 *
 * 1. A folder is looked at again for each container that gets it: what may be mounted was decided by where it leads, and
 *    that may have changed.
 */
import { type ContainerBody, type Failure, failure, type Offers, type Read } from '@gryphgen/protocol';
import type { Log } from '@gryphgen/runtime';
import {
  type ContainerPolicy,
  type EngineFacts,
  type Grant,
  type GrantedMount,
  grant,
  type ImageFacts,
  imageRefusal,
  offersOf,
  userNamed,
} from './container-policy.ts';
import { type Forbidden, forbiddenFolders, type HostFolder, lookAtFolder } from './host-folder.ts';

export interface HostPolicyOptions {
  readonly policy: ContainerPolicy;
  readonly home: string;
  /** Of the engine. */
  readonly sockets: readonly string[];
  readonly log: Log;
}

export class HostPolicy {
  private readonly options: HostPolicyOptions;
  private forbidden: readonly Forbidden[] = [];
  private present: ReadonlySet<string> = new Set();
  /** By mount: said once, not with each look. */
  private readonly told = new Map<string, string>();

  constructor(options: HostPolicyOptions) {
    this.options = options;
  }

  /** Before the first grant, then at a low rate. `engineFolder`: where the engine keeps its files; '' where it does not say. */
  async look(engineFolder: string): Promise<void> {
    const { home, sockets, policy } = this.options;
    const engines =
      engineFolder === '' ? [] : [{ path: engineFolder, what: "the container engine's own files" }];
    this.forbidden = [...(await forbiddenFolders(home, sockets)), ...engines];
    const present = new Set<string>();
    for (const [name, { path }] of Object.entries(policy.mounts)) {
      if ((await this.folder(name, path)).kind === 'there') present.add(name);
    }
    this.present = present;
  }

  /** Null while no engine answers. */
  offers(engine: EngineFacts | null): Offers {
    return offersOf(this.options.policy, engine, this.present);
  }

  /** Before anything is done to have it: null when it may run. */
  refusesImage(image: string): Failure | null {
    return imageRefusal(this.options.policy, image);
  }

  userNamed(engine: EngineFacts, user: string): Read<string> {
    return userNamed(this.options.policy, engine, user);
  }

  /** With the paths behind all symbolic links. */
  async grant(engine: EngineFacts, body: ContainerBody, image: ImageFacts): Promise<Read<Grant>> {
    const granted = grant(this.options.policy, engine, body, image);
    if (!granted.ok) return granted;
    const mounts: GrantedMount[] = [];
    for (const mount of granted.value.mounts) {
      const folder = await this.folder(mount.name, mount.path);
      if (folder.kind !== 'there') {
        const words = folder.kind === 'missing' ? 'is not there' : 'may not be mounted';
        const why = failure('execution.start', `the folder of mount ${mount.name} ${words} on this worker`);
        return { ok: false, failure: why };
      }
      mounts.push({ ...mount, path: folder.path });
    }
    return { ok: true, value: { ...granted.value, mounts } };
  }

  /** Who owns the machine reads in its log what is wrong; who submits learns no paths. */
  private async folder(mount: string, path: string): Promise<HostFolder> {
    const folder = await lookAtFolder(path, this.forbidden);
    const words = folder.kind === 'there' ? '' : folder.words;
    if (words !== '' && words !== this.told.get(mount)) {
      this.options.log.warn({ mount, why: words }, 'a mount cannot be offered');
    }
    this.told.set(mount, words);
    return folder;
  }
}
