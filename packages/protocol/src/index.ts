/** The words every part of the grid shares: ids, tasks, resources, messages, frames and failures. */
export * from './artifact.ts';
export { type AttemptOutcome, readOutcome, type TaskOutput } from './attempt-outcome.ts';
export * from './body.ts';
export * from './calibration.ts';
export * from './collection-shards.ts';
export * from './container-body.ts';
export * from './documents.ts';
export * from './engine-name.ts';
export * from './exec-order.ts';
export * from './failure.ts';
export * from './grant-documents.ts';
export {
  attemptReportBytes,
  journalHeadSchema,
  reservationSchema,
  taskIdSchema,
} from './handshake.ts';
export { type HeldShard, type HeldShards, mostShardEpoch } from './held-shards.ts';
export * from './ids.ts';
export * from './image-order.ts';
export * from './image-reference.ts';
export * from './infer-result.ts';
export * from './limits.ts';
export * from './messages.ts';
export * from './model.ts';
export * from './model-description.ts';
export { kvTypes, type Serving, servingWords, usualMicroBatchTokens } from './model-serving.ts';
export {
  isSameSeat,
  type RoundSpeeds,
  type Tuning,
  type TuningDocument,
  type TuningFound,
} from './model-tuning.ts';
export * from './nearest.ts';
export * from './needs.ts';
export type { PastTask, PastTaskPage } from './past-task.ts';
export * from './placement-policy.ts';
export * from './pressure.ts';
export * from './principal-limits.ts';
export * from './requests.ts';
export * from './resources.ts';
export * from './retrieval-body.ts';
export * from './retrieval-results.ts';
export * from './service-body.ts';
export type { Address, Health, PublishedPort } from './service-state.ts';
export { isEnvironmentName, isLabelName } from './string-map.ts';
export * from './task-spec.ts';
export * from './units.ts';
export { type Fetched, type Usage, type Use, usageOf, usageTuple, type WireUsage } from './usage.ts';
export * from './version.ts';
export {
  type DecodedFrame,
  type Direction,
  type DirectionMessages,
  decodeFrame,
  encodeFrame,
  frameOverheadBytes,
  messageBytes,
} from './wire.ts';
export { workerReportSchema } from './worker-report.ts';
