/** An image to a worker, straight over its data endpoint: the broker only says where, and permits it. */
import {
  type Failure,
  failure,
  GridError,
  type ImageOrder,
  imageOrderSchema,
  type PlaceGrantDocument,
} from '@gryphgen/protocol';
import {
  type DuplexSession,
  openDuplex,
  placesBehind,
  systemAlarms,
  type UselessPlaces,
} from '@gryphgen/runtime';

/** As `Client` has it. */
export interface PushAsker {
  readonly brokerEndpoint: string;
  readonly unreached: UselessPlaces;
  request(op: 'pushImage', args: { readonly node: string }): Promise<PlaceGrantDocument>;
}

export interface ImagePush {
  readonly order: ImageOrder;
  /** Config, then layers: as many bytes as the order says. */
  bytes(): AsyncIterable<Uint8Array>;
  /** How many were sent; with all of them the worker's engine still has to load it. */
  readonly onSent?: (bytes: number) => void;
  /** Ends the transfer: the worker then has no image of it. */
  readonly signal?: AbortSignal;
}

/**
 * `taken`: the worker has loaded it. `held`: it had the image, and nothing was sent. Throws GridError: the refusal of
 * broker or worker, `lost.*` when the worker goes away, `cancelled.user` after the signal.
 */
export async function pushImage(asker: PushAsker, node: string, push: ImagePush): Promise<'taken' | 'held'> {
  const { signal } = push;
  const order = imageOrderSchema.safeParse(push.order);
  if (!order.success) throw refusal(order.error.issues[0]);
  const { grant, endpoint, dataKey, relay } = await asker.request('pushImage', { node });
  if (signal?.aborted) throw new GridError(cancelled);
  const request = { kind: 'image', grant, order: order.data } as const;
  const { unreached, brokerEndpoint } = asker;
  const orElse = placesBehind(relay, brokerEndpoint);
  const session = await openDuplex({
    ...{ endpoint, dataKey, unreached, orElse },
    ...{ alarms: systemAlarms, request },
  });
  if ('failure' in session) {
    if (session.failure === null) return 'held';
    throw new GridError(session.failure);
  }
  const why = await send(session, push);
  if (why !== null) throw new GridError(why);
  return 'taken';
}

async function send(session: DuplexSession, push: ImagePush): Promise<Failure | null> {
  const { signal } = push;
  const leave = (): void => void session.close();
  signal?.addEventListener('abort', leave, { once: true });
  if (signal?.aborted) leave();
  let problem: unknown;
  // Not waited for: what gives the bytes may hang when nobody wants them any more.
  feed(session, push).catch((error: unknown) => {
    problem = error;
    leave();
  });
  try {
    const { failure: why } = await session.ended;
    if (problem !== undefined) throw problem;
    return signal?.aborted ? cancelled : why;
  } finally {
    signal?.removeEventListener('abort', leave);
    await session.close();
  }
}

async function feed(session: DuplexSession, { bytes, onSent }: ImagePush): Promise<void> {
  let sent = 0;
  for await (const piece of bytes()) {
    if (!(await session.write(piece))) return;
    sent += piece.length;
    onSent?.(sent);
  }
  session.endInput();
}

const cancelled = failure(
  'cancelled.user',
  'the image was not sent to its end: the worker has nothing of it',
);

function refusal(
  issue: { readonly path: readonly PropertyKey[]; readonly message: string } | undefined,
): GridError {
  return new GridError(
    failure('rejected.invalid', `the image cannot be pushed: ${issue?.path.join('.')}: ${issue?.message}`),
  );
}
