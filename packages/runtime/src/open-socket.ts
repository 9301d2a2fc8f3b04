/**
 * ZeroMQ's sockets of this process. Each link to a broker takes three of them, and each transfer: libzmq's own bound of 1023 is
 * met by a gateway that serves 341 principals. The machine's bound is that of open files.
 */
import { failure, GridError } from '@gryphgen/protocol';
import { context } from 'zeromq';

/** Their slots take 8 bytes each. Said before the first socket is made, or without effect. */
const mostSockets = 32_768;

/** Throws GridError `rejected.limit` when this process may have no more. */
export function openSocket<S>(make: () => S): S {
  if (context.maxSockets < mostSockets) context.maxSockets = mostSockets;
  try {
    return make();
  } catch (error) {
    throw isOutOfSockets(error) ? new GridError(failure('rejected.limit', words)) : error;
  }
}

const words =
  'this process may open no more connections, each of which takes some open files: raise that limit (ulimit -n, LimitNOFILE= of a unit)';

function isOutOfSockets(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EMFILE' || error.code === 'ENFILE');
}
