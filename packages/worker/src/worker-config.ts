/** What a worker is told by whoever starts it. */
import type { Failure, Welcome } from '@gryphgen/protocol';
import type { Alarms, BrokerAddress, Clock, Follower, Identity, Log, Random } from '@gryphgen/runtime';
import type Docker from 'dockerode';
import type { Measure } from './calibration/measure.ts';
import type { PressureSettings } from './core/pressure/thresholds.ts';
import type { Call } from './executors/call-executor.ts';
import type { WarmLimits } from './executors/warm-pool.ts';
import type { ImageSettings } from './images/image-store.ts';
import type { LogLimits } from './log-store.ts';
import type { ContainerPolicy } from './policy/container-policy.ts';

export interface WorkerConfig {
  readonly grid: string;
  readonly name: string;
  /** `$GRID_HOME`; the worker's own files are in `worker` below it. */
  readonly home: string;
  readonly brokers: readonly BrokerAddress[];
  readonly labels: Readonly<Record<string, string>>;
  /** Attempts held at once; by default four for each CPU thread, at least 16. */
  readonly slots?: number;
  /** Whether containers are run; default true. */
  readonly allowContainers?: boolean;
  /** Whether tasks may run as processes of this user, without isolation. */
  readonly allowProcess: boolean;
  /** What container tasks may have of this machine; default `defaultPolicy`. */
  readonly policy?: ContainerPolicy;
  /** What loads models: names on the path or paths, `:` between them; default `llama-server`, '' for none. */
  readonly llamaServer?: string;
  /** Whether tasks that do nothing are run, for benchmarks. */
  readonly allowNoop: boolean;
  /** Where logs are served; empty: through the relay beside the broker alone. The first is told to others. */
  readonly dataEndpoints: readonly string[];
  /** Whose grants open a log: the broker's Ed25519 key, as far as it is known now. */
  readonly brokerKey: () => string;
  readonly logLimits?: LogLimits;
  readonly images?: ImageSettings;
  /** What inputs and outputs of tasks may take of the disk; by default by the size of that. */
  readonly artifactsBytes?: number | 'auto';
  /** Those of them that nobody used for so long go; absent: they stay while there is room. */
  readonly artifactsAgeMs?: number;
  /** Whether the machine is measured anew, and at once. */
  readonly calibrate?: boolean;
  /** Containers that are started ahead; default `defaultWarmLimits`. */
  readonly warm?: Partial<WarmLimits>;
  /** When it takes no new work; by default as its disk, memory and cards are. */
  readonly pressures?: PressureSettings;
}

export interface WorkerDeps {
  readonly identity: Identity;
  readonly clock: Clock;
  readonly alarms: Alarms;
  readonly random: Random;
  readonly log: Log;
  /** The link has given up: the broker will not have this worker. */
  readonly onRefused: (failure: Failure) => void;
  /** How it learns of other brokers; absent: it never does. */
  readonly follower?: Follower;
  /** Each session, for who wants to know that the worker is there. */
  readonly onSession?: (welcome: Welcome) => void;
  /** What answers tasks in this process. */
  readonly calls?: readonly Call[];
  /** Default: the engine that DOCKER_HOST or the standard socket names. */
  readonly docker?: Docker;
  /** Default: `nvidia-smi` on the PATH. */
  readonly nvidiaSmi?: string;
  /** Default: in a process of its own. */
  readonly measure?: Measure;
  /** Default: the process keeper beside this code. */
  readonly keeperFile?: string;
  /** Whether process numbers here are those of the host, which drivers tell; default: as /proc has it. */
  readonly seesTheHost?: () => Promise<boolean>;
}
