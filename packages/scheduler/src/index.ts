/** Which worker takes which task, on which devices, and why the others do not. */

export { freeVram } from './device-fit.ts';
export { explain, type WorkerDecision, weightsOf } from './explain.ts';
export { charged, fitsSomewhere } from './learn/charge.ts';
export type { SavedEstimates } from './learn/estimator.ts';
export { type FinishPlan, FinishPlanner, looksInLine, type Outlook } from './learn/finish-planner.ts';
export type { Foretold } from './learn/forecast.ts';
export { LearnedForecast, type Underway } from './learn/learned-forecast.ts';
export { PredictionErrors, type SavedErrors } from './learn/prediction-errors.ts';
export { emptyLedger, type Ledger, oversubscription, release, reserve } from './ledger.ts';
export { foreignMemory, freeMemory } from './memory-fit.ts';
export { gridNames } from './mixed/machines.ts';
export { completionsOf, type MixedCell, runsUntilNoticed } from './mixed/measure.ts';
export type { MixedPolicyName } from './mixed/policies.ts';
export { mixedScale } from './mixed/workload.ts';
export { type Placement, place } from './place.ts';
export { placesAlike } from './report-essence.ts';
export { mayFit, type Room, roomOf } from './room.ts';
export { SeededRandom } from './seeded-random.ts';
export { type Shape, shapeKey } from './shape.ts';
export { type PolicyName, policyNames, type ReplayResult, replay } from './trace/replay.ts';
export type { TraceNode, TraceTask } from './trace/trace.ts';
export { changeView, newView, versionOf, type WorkerView } from './worker-view.ts';
