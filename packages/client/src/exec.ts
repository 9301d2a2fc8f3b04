/** A command beside a running task's own, straight to the worker that has it: the broker only says where, and permits it. */
import {
  type ExecOrder,
  execOrderSchema,
  failure,
  type GrantDocument,
  GridError,
  type RequestArgs,
  type TaskId,
  type TerminalSize,
} from '@gryphgen/protocol';
import {
  type Alarms,
  type DuplexSession,
  openDuplex,
  placesBehind,
  type UselessPlaces,
} from '@gryphgen/runtime';

/** One frame holds it. */
const maxOrderBytes = 60 * 1024;

/** As `Client` has it. */
export interface ExecAsker {
  readonly brokerEndpoint: string;
  /** Workers that could not be connected to. */
  readonly unreached: UselessPlaces;
  request(op: 'exec', args: RequestArgs<'exec'>): Promise<GrantDocument>;
}

export interface ExecOptions {
  /** argv; no shell is involved unless it names one. */
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Absolute. Default: the container's. */
  readonly workdir?: string;
  /** `uid[:gid]` in numbers. Default: the container's. */
  readonly user?: string;
  /** Whether `write` is going to be used; else the command's input is empty. */
  readonly stdin?: boolean;
  /** A terminal of this size: its output comes as one stream. */
  readonly tty?: TerminalSize;
}

/**
 * Resolves when the command runs, or could not be run: its session has ended then with 126 or 127, as a shell has it,
 * and `execution.start`. Throws GridError: `rejected.invalid` before anything is sent when the command makes no sense; the
 * refusal of broker or worker; `lost.*` when the worker is away.
 */
export async function execBeside(
  asker: ExecAsker,
  alarms: Alarms,
  task: TaskId,
  options: ExecOptions,
): Promise<DuplexSession> {
  const order = orderOf(options);
  const { attempt, grant, endpoint, dataKey, relay } = await asker.request('exec', { task });
  const { unreached, brokerEndpoint } = asker;
  const opened = await openDuplex({
    ...{ endpoint, dataKey, alarms, unreached, orElse: placesBehind(relay, brokerEndpoint) },
    request: { kind: 'exec', task, attempt, grant, order },
  });
  if (!('failure' in opened)) return opened;
  throw new GridError(
    opened.failure ?? failure('internal.bug', 'the worker ended the session without a word'),
  );
}

function orderOf(options: ExecOptions): ExecOrder {
  const parsed = execOrderSchema.safeParse(options);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw invalid(`${issue?.path.join('.') ?? 'exec'}: ${issue?.message ?? 'is not valid'}`);
  }
  const bytes = Buffer.byteLength(JSON.stringify(parsed.data));
  if (bytes > maxOrderBytes)
    throw invalid(`command and env take ${bytes} bytes, at most ${maxOrderBytes}: send the rest as input`);
  return parsed.data;
}

function invalid(words: string): GridError {
  return new GridError(failure('rejected.invalid', words));
}
