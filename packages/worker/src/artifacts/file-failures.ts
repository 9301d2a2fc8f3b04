/** Why an attempt cannot be given its inputs, or what it left cannot be kept: what that means for the attempt. */
import { type Failure, failure } from '@gryphgen/protocol';

/** What may be different elsewhere is tried elsewhere. */
export function inputFailure(to: string, { code, message }: Failure): Failure {
  const words = `its input ${to} cannot be had: ${message}`;
  if (code === 'rejected.not-found' || code === 'rejected.invalid') return failure('execution.input', words);
  return failure(code === 'cancelled.user' ? code : 'lost.worker', words);
}

export function outputFailure(path: string, { code, message }: Failure): Failure {
  const words = `its output ${path} cannot be kept: ${message}`;
  return failure(code === 'lost.worker' ? code : 'execution.output', words);
}

export function stopped(): Failure {
  return failure('cancelled.user', 'it was stopped before all its inputs were there');
}

export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
