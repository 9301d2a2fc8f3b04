/**
 * Every bound of the protocol, with its reason (invariant 7: nothing is unbounded). A limit that is reached is an
 * explicit answer, never a silent drop.
 */
const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

const frameBytes = 1 * MiB;
const reportBytes = 304 * KiB;
const attemptsPerWorker = 4096;
const keptRefusals = 256;

export const limits = {
  /** One control frame. Small messages only: a full batch of the largest bodies still fits. */
  frameBytes,
  /** Logical messages coalesced into one frame: bounds the time one frame holds the event loop. */
  frameMessages: 1024,
  /** A task's body (command, environment, …). Larger inputs travel as artifacts. */
  bodyBytes: 256 * KiB,
  /** A task's envelope, which the broker decodes and keeps. */
  envelopeBytes: 16 * KiB,
  /** Durable tasks that wait: at about 300 B each this stays well inside a small machine's memory. */
  waitingTasks: 2_000_000,
  /**
   * Finished tasks the broker's core still remembers, and whose bodies the journal keeps so that they can be retried by
   * hand; older ones are in the history table, with the hash of their body. At most 2.5 GiB of bodies, usually a few MiB.
   */
  finishedTasks: 10_000,
  /** Refusals of impossible submissions that the broker can still explain, until it restarts. */
  explainedRefusals: 256,
  /** Idempotency keys kept. */
  keys: 1_000_000,
  /** How long an idempotency key makes one task, from acceptance. */
  keyMs: 24 * 3600_000,
  /** A client that vanished without a goodbye has its submission window forgotten after this long. */
  clientWindowMs: 24 * 3600_000,
  /** And after this long when half of `clients` are kept: longer than a client's patience without a session. */
  clientReturnMs: 15 * 60_000,
  /** Clients whose submission windows are kept, of some 500 B each. */
  clients: 100_000,
  /** Submissions one client may have unacknowledged. */
  clientOutstanding: 16_384,
  sessions: 4096,
  /** Of one key: nobody takes all there are. One person's commands, watchers and programs at a time. */
  sessionsPerKey: 256,
  workers: 10_000,
  /** Tickets that are good at a time, used ones that have not expired included. */
  tickets: 100,
  /** How long a ticket may be good. */
  leastTicketMs: 1000,
  ticketMs: 7 * 24 * 3600_000,
  /** Removed workers whose names are kept: whoever removed one may ask again, and what they ran still names them. */
  removedWorkers: 1000,
  /** Room is kept for the first of a class of which none was placed for so long. */
  claimAfterMs: 30_000,
  /** An attempt that was to run for longer is not ended for another task's sake before; twice as long after each time. */
  unpreemptedMs: 60_000,
  /** Times that one task is ended for others. */
  preemptions: 5,
  /** Tasks of a class of which none was placed for so long rise by ten points of priority, again and again. */
  agingMs: 3600_000,
  /** Principals whose use of the grid is remembered; those who had least of late are forgotten first. */
  principalUses: 10_000,
  /** Addresses of a broker. */
  brokers: 16,
  /** What the grid's key says of its broker. */
  voucherChars: 8192,
  /** Principals a worker is told that their grants are void, those revoked last: 20 KiB. */
  revokedTold: 1000,
  /** Attempts one worker may hold, ended ones not yet acknowledged included. */
  attemptsPerWorker,
  /** Refusals of leases that a full worker keeps beyond those until they are acknowledged. */
  keptRefusals,
  /** Attempts in one hello or heartbeat: all that a worker may ever hold. */
  attemptsListed: attemptsPerWorker + keptRefusals,
  /** What the attempts in one hello may take (`attemptReportBytes`): a frame less the report and the hello around it. */
  heldBytes: frameBytes - reportBytes - 4 * KiB,
  /** A worker's report: no less than what its parts may take together. */
  reportBytes,
  /** Tries of one task that end in `execution.*`. */
  retries: 100,
  /** Tries of one task that end in `lost.*` before it is dead-lettered: a task that kills its machines must stop. */
  losses: 5,
  /** An executor's result kept with the task; larger ones travel as artifacts. */
  outcomeBytes: 16 * KiB,
  labels: 64,
  nameChars: 256,
  partyChars: 64,
  /** Of a task's class: with the numbers learned of it, some hundred bytes. */
  taskClassChars: 96,
  keyChars: 256,
  /** Collections that a grid knows, and the shards of one: some hundred bytes of each snapshot. */
  collections: 1024,
  shards: 16,
  /** Copies of one shard: each takes what the shard takes, and is brought each change. */
  shardCopies: 4,
  /** Shards that a worker reports of: all it has, and those that it had last. */
  heldShards: 128,
  /** A label of its worker names it, with eleven characters before it. */
  collectionChars: 48,
  /** Principals that are named as readers of one. */
  collectionReaders: 256,
  /** Names that are taken out of the texts of one, and the length of each. */
  redactedNames: 1000,
  redactedNameChars: 100,
  /** Of a text whose pseudonyms are to be told. */
  revealChars: 8000,
  /** Models that a grid knows: each is some KiB of the broker's memory and of every snapshot. */
  models: 256,
  /** What describes all of them, in JSON: an answer with all fits into a frame. */
  modelsBytes: 512 * KiB,
  modelNameChars: 64,
  textPrefixChars: 512,
  /** Requests that one instance answers at a time; llama.cpp itself takes no more than 256. */
  instanceSlots: 64,
  /** Threads of one instance: more CPUs than any machine of a person has. */
  instanceThreads: 1024,
  /** Texts of one request whose model is measured: nobody's has more. */
  requestTexts: 2048,
  /** Tokens that one instance computes at a time: more only takes memory. */
  batchTokens: 65_536,
  /** Seats for which settings of one model are kept: some 600 B each in the journal; those kept last. */
  tunings: 32,
  /** Instances of one model. */
  replicas: 16,
  sourceChars: 1024,
  /** A page of text; terms beyond it tell nothing more. */
  queryChars: 100_000,
  /** A query that feedback is about: its words are learned, and a document's are too many. */
  feedbackChars: 1000,
  /** Of a file that is cited. */
  sourceLines: 1_000_000_000,
  /** Of a file for a collection: a book with pictures. */
  documentBytes: 64 * KiB * KiB,
  /** Of what is to be forgotten: a name, an address, a number. */
  subjectChars: 200,
  /** Of one answer. */
  passages: 1000,
  /** Of a passage that is found, those before it and after it that come with it. */
  passagesAround: 3,
  /** Terms that a query is looked up by. */
  queryTerms: 128,
  /** Passages of each ranking that a shard tells of: with their scores they fit into an answer. */
  fusedCandidates: 150,
  /** Of a choice of files, the patterns of each sort; each is held against every file's name. */
  filePatterns: 32,
  filePatternChars: 1024,
  /** Values of a vector: those of the largest models that embed. */
  dimensions: 8192,
  /** Vectors that one task brings. */
  vectorsBrought: 256,
  /** Messages a peer may have sent that the other has not yet taken up (credit window). */
  creditMessages: 4096,
  /** Messages queued for one peer that does not read; reaching it ends the session. */
  peerQueueMessages: 65_536,
  peerQueueBytes: 32 * MiB,
  /** Tasks named by one `watch`; more go in further ones. */
  watchTasks: 8192,
  /** A failure's sentence. */
  messageChars: 4096,
  /** GPUs of one machine. */
  devices: 64,
  /** Of one model: llama.cpp knows no more at a time. */
  /** What a model's instance may take of a device beyond what it was seen to, once it has answered: kernels and work space that come with longer prompts. */
  instanceGrowthBytes: 256 * 1024 ** 2,
  modelDevices: 16,
  /** What a driver calls a device: `GPU-` and 36 characters; a part of one has some more. */
  uuidChars: 64,
  /** Processes outside the grid that are named for each device. */
  foreignShown: 3,
  /** Disks and network interfaces a worker names, and what it says is wrong with it. */
  partsShown: 16,
  troubles: 16,
  troubleChars: 256,
  /** Builds of llama.cpp on one machine, and on how many kinds of devices each computes. */
  modelEngines: 4,
  backends: 8,
  engineOptions: 8,
  /** Kinds of tasks one worker runs. */
  capabilities: 16,
  /** Pressures of one machine beside those of its devices, and the words of each. */
  pressures: 8,
  pressureChars: 128,
  /** Kinds of tasks that one of them stops. */
  kindsStopped: 16,
  /** Images a worker reports as present, and the bytes of all their names. */
  images: 1024,
  imagesBytes: 64 * KiB,
  /** One image that is pushed, not compressed: the largest in use have some 30 GiB. */
  imageBytes: 64 * GiB,
  /** What the engine's storage can stack. */
  imageLayers: 127,
  /** Names one push may give. */
  imageNames: 16,
  /** An image's config, which a worker holds to judge it: usual ones have some KiB. */
  imageConfigBytes: 1 * MiB,
  /** One artifact: what a machine can be expected to have room for. */
  artifactBytes: 256 * GiB,
  /** Its list of files: for each some 100 B, and 44 B for each 4 MiB. */
  artifactManifestBytes: 4 * MiB,
  artifactEntries: 30_000,
  /** Of one attempt's log, what is kept when its worker is gone; of a longer one the first and the last half of that. */
  keptLogBytes: 16 * MiB,
  /** Artifacts of which the broker knows who has them, and how many workers it tells of one: each may cost a try. */
  artifactsKnown: 20_000,
  artifactHolders: 4,
  /** Of one task. */
  inputs: 32,
  outputs: 16,
  /** Of one output's path: an outcome holds all of them. */
  outputChars: 256,
  /** Mounts of one task, and those that a worker offers. */
  mounts: 32,
  /** A service that ran for so long has run well: what failed before does not count any more. */
  serviceWellMs: 10 * 60_000,
  /** Ports that one task publishes. */
  ports: 16,
  /** What is told of a check of a service's health. */
  healthChars: 256,
  /** Fields of a task that not every worker knows. */
  fields: 32,
  imagePatterns: 32,
  runtimes: 16,
  /** One question to a model; what a task's body does not hold goes to its worker by the channel of its answer (E33). */
  questionBytes: 16 * MiB,
  /** For so long a slot is lent at a time: what a crash makes of its accounting, and how long others wait who were not heard. */
  loanMs: 5000,
  /** Beginnings of a prompt that are told of it. */
  prefixes: 8,
  /** Longest grace of a task that is asked to end: whoever cancels it waits for as long. */
  stopGraceMs: 3600_000,
  /** Longest deadline of a drain: what is asked for is a time to come, not for ever. */
  drainDeadlineMs: 30 * 24 * 3600_000,
  /** Planned drains of one worker, how far ahead they may be, and how long. */
  windowsEach: 8,
  windowAheadMs: 366 * 24 * 3600_000,
  windowMs: 30 * 24 * 3600_000,
  endpointChars: 256,
  sessionChars: 64,
  /** Rows one query answers with. */
  queryRows: 1000,
  /** Distinct envelopes kept decoded. */
  envelopes: 10_000,
} as const;

/** The timers that broker and workers must agree on; the broker's values travel in `welcome`. */
export interface Timers {
  /** Between heartbeats of a worker or client. */
  readonly heartbeatMs: number;
  /** A worker that has had no acknowledged heartbeat for this long stops its `move` attempts. */
  readonly leaseMs: number;
  /** The broker gives an attempt up this long after `leaseMs`: covers clock drift, message delay and the stop. */
  readonly graceMs: number;
  /** How often each core is ticked. */
  readonly tickMs: number;
}

export const defaultTimers: Timers = { heartbeatMs: 2000, leaseMs: 15_000, graceMs: 5000, tickMs: 500 };
