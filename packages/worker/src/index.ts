/** The worker: what a machine has, and what runs on it. */
export { type Given, noFiles } from './artifacts/attempt-files.ts';
export { keptCalibration } from './calibration/calibrator.ts';
export type { SeenDevice } from './core/device-claims.ts';
export type { StartOrder, WorkerEffect, WorkerNote } from './core/effects.ts';
export type { AdoptedAttempt, Exit, Reading, ServiceState, WorkerEvent } from './core/events.ts';
export { type Fence, keyOf } from './core/fence.ts';
export { nameOfTransition, type PhaseTransition, phaseTransitions } from './core/phases.ts';
export { diskAmounts, memoryAmounts, type PressureSettings } from './core/pressure/thresholds.ts';
export { composeHello, type WorkerHello } from './core/sessions.ts';
export { createWorkerState, type LeaseFacts, type StopWhy, type WorkerState } from './core/state.ts';
export { stepWorker } from './core/step.ts';
export { engineEnvironment } from './engines/engine-environment.ts';
export { type AddedEngine, readEngineList, writeEngineList } from './engines/engine-list.ts';
export { LlamaEngines } from './engines/llama-engines.ts';
export { type LlamaEngine, probeLlama } from './engines/llama-probe.ts';
export { unpackEngine } from './engines/unpack-engine.ts';
export { type Call, CallExecutor, type CallOrder, resultBytes } from './executors/call-executor.ts';
export { ContainerExecutor, type ContainerExecutorOptions } from './executors/container-executor.ts';
export { ContainerNotes } from './executors/container-notes.ts';
export { connectEngine } from './executors/engine-connection.ts';
export type { Executor, ExecutorEvents } from './executors/executor.ts';
export { findProgram } from './executors/find-program.ts';
export { NoopExecutor } from './executors/noop-executor.ts';
export { ProcessExecutor, type ProcessExecutorOptions } from './executors/process-executor.ts';
export { endProcesses, keeperPlace } from './executors/process-keeper-place.ts';
export { defaultWarmLimits, type WarmLimits } from './executors/warm-pool.ts';
export { type ImageSettings, ImageStore, type ImageStoreOptions } from './images/image-store.ts';
export { registryLogin } from './images/registry-credentials.ts';
export type { DeviceLooks } from './instances/device-memory.ts';
export { inferCalls } from './instances/infer-calls.ts';
export { InstanceExecutor } from './instances/instance-executor.ts';
export { LocalInstances } from './instances/local-instances.ts';
export { defaultLogLimits, type LogLimits, LogStore } from './log-store.ts';
export { type PolicyProblem, policyProblems } from './policy/check-policy.ts';
export {
  type ContainerPolicy,
  defaultPolicy,
  type PolicyMount,
  type PortRule,
  portRules,
  type RootRule,
  rootRules,
} from './policy/container-policy.ts';
export { HostPolicy } from './policy/host-policy.ts';
export { probeMachine } from './probe/machine.ts';
export { readDisks, readMemory } from './probe/machine-readings.ts';
export { type DevicesFound, findDevices } from './probe/nvidia-smi.ts';
export { createWorker } from './worker.ts';
export type { WorkerConfig, WorkerDeps } from './worker-config.ts';
