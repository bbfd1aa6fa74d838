// Made by `python -m app.instrument.typescript`; change app/instrument/fields.py.

/** Thousandths, row-major; null where nothing was measured. */
export interface Packed {
  shape: number[];
  values: (number | null)[];
}

/** Bits (first bit highest) or small whole numbers (little-endian), row-major, as base64. */
export interface PackedBytes {
  shape: number[];
  base64: string;
}

/** A mean with the ends of its 95% interval, where it has one, and its n.

    `n` has size 1 along the axes on which it does not depend.
     */
export interface PackedMeasure {
  value: Packed;
  low?: Packed;
  high?: Packed;
  n?: Packed;
}

/** A component: its `name` in results, its place, and its attention head, if it is one. */
export interface Component {
  name: string;
  row: number;
  position: number;
  head: number | null;
}

/** A candidate edge by its place among all, and the indices of the components it joins.

    `share` is that of a token's whole effect, with its ends, `frequency` how many resampled
    circuits have it; null where it was not measured.
     */
export interface BenchEdge {
  id: number;
  name: string;
  source: number;
  target: number;
  share: number | null;
  low: number | null;
  high: number | null;
  frequency: number | null;
}

/** Faithfulness and accuracy of the strongest edges, by their number; `share` is the least. */
export interface BenchCurve {
  size: number[];
  share: (number | null)[];
  faithfulness: (number | null)[];
  faithfulness_low: (number | null)[];
  faithfulness_high: (number | null)[];
  accuracy: (number | null)[];
  accuracy_low: (number | null)[];
  accuracy_high: (number | null)[];
}

/** The page Circuit: components and edges of one checkpoint, and how few edges suffice.

    `edges` are the strongest ones; `ranked` the ids of all measured ones, strongest first,
    and `found` those of the discovered circuit.
     */
export interface Bench {
  rows: string[];
  columns: string[];
  components: Component[];
  edges: BenchEdge[];
  ranked: number[];
  found: number[];
  candidates: number;
  heads: boolean;
  curve: BenchCurve;
  n: number;
}

/** What the user has made of the circuit: the start, what was toggled, notes, groups of heads.

    `size` is the number of strongest edges, null for the `base` circuit, whose ids are `kept`.
     */
export interface BenchState {
  size: number | null;
  toggled: number[];
  notes: Record<string, string>;
  groups: Record<string, string[]>;
}

/** Numbers with the ends of their 95% intervals: [value, low, high]; null: no number. */
export interface Judged {
  faithfulness: (number | null)[];
  left: (number | null)[];
  alone: (number | null)[];
  without: (number | null)[];
  whole: (number | null)[];
  n: number;
}

/** The answer to a state, beside the payload: `serial` is the state's, `source` its origin. */
export interface Edited {
  serial: number;
  source: string;
  base: string;
  kept: number[];
  state: BenchState;
  judged: Judged;
}

/** A score of heads; `place` says which position it is read at, "chosen" by the user or fixed.

    `end` is the end of its colour scale, the same at every step and split.
     */
export interface HeadScore {
  name: string;
  label: string;
  unit: string;
  place: string;
  end: number;
}

/** Measures of one split: `pattern` (step, layer, head, query, key), and scores by name.

    A score has the axes step, layer and head, and query where its place is chosen.
     */
export interface HeadsOfSplit {
  pattern: PackedMeasure;
  scores: Record<string, PackedMeasure>;
}

/** The page Heads; `head` (layer, head) and `pair` (query, key) are what it begins with. */
export interface Heads {
  layers: number;
  heads: number;
  scores: HeadScore[];
  splits: Record<string, HeadsOfSplit>;
  head: number[];
  pair: number[];
  about: string;
}

/** A token in a sentence.

    `text` is what it adds to the sentence, nothing where a letter goes on; `piece` is the token by
    itself, with "␣" for a blank; `role` is an index into the roles, -1 for none.
     */
export interface SentenceToken {
  text: string;
  piece: string;
  id: number;
  role: number;
}

/** What some of a sentence's tokens stand for; `kind` is the name of its colour. */
export interface SentenceRole {
  words: string;
  kind: string;
}

/** A question as the model reads it. */
export interface Sentence {
  tokens: SentenceToken[];
  roles: SentenceRole[];
}

/** The most likely tokens by step and rank, and their probabilities. */
export interface Ranked {
  token: number[][];
  share: Packed;
}

/** The most likely token of each state, and probabilities by step, layer, position. */
export interface States {
  token: number[][][];
  share: Packed;
  target?: Packed;
}

/** The probability of one token over training. */
export interface AnswerCurve {
  token: number;
  share: Packed;
  colour: string;
}

/** A name that is sought in the states, by the token with which it `begins`. */
export interface Watched {
  token: number;
  begins: number;
  position: number;
  what: string;
  where: string;
  rank: number[][][];
}

/** The question whose states are swapped in.

    `fact` has, by step, the answer to the fact that the swapped bridge needs, which is `needed`;
    `begins` is the token with which the `swapped` answer begins.
     */
export interface Donor {
  what: string;
  value: number | null;
  swapped: number | null;
  begins: number | null;
  needed: string | null;
  fact: number[] | null;
}

/** What the model writes at a step, and whether it is the right answer to its end. */
export interface Written {
  text: string;
  exact: boolean;
}

/** The Question page.

    `columns` has what stands at each position, `order` the positions in the order of reading,
    `attends` the columns in that order, and `kinds` the colours of names and tokens. Of a run on
    text, `written` is what the model writes at each step; answers are whole names then, and states
    say single tokens.
     */
export interface Question {
  names: Record<string, string>;
  columns: string[];
  order: number[];
  kinds: Record<string, string>;
  answer: number | null;
  top: Ranked;
  curves: AnswerCurve[];
  lens: States;
  second: number[][][];
  attention: Packed;
  attends: string[];
  watched: Watched[];
  swap?: States;
  donor?: Donor;
  sentence?: Sentence;
  written?: Written[];
}

/** One of the most likely answers before or after. */
export interface LabAnswer {
  name: string;
  share: number;
  mark: string;
  kind: string;
}

/** The Patching lab.

    `donor_names` by layer and position are what the logit lens reads in the donor's states, with
    `donor_share` as their probabilities; none where something else than a state is written.
    `order` has the positions in the order in which the question has them. `said` names question,
    donor and what is written.
     */
export interface Lab {
  said: string;
  component: string;
  cells: number[][];
  effect: Packed;
  rows: string[];
  positions: string[];
  order: number[];
  measured: string;
  about: string;
  limits: number[];
  before: LabAnswer[];
  after: LabAnswer[];
  donor_tokens: string[];
  donor_names: string[][];
  donor_share: Packed;
  sentence?: Sentence;
  donor_sentence?: Sentence;
}

/** Accuracy and loss by split over the evaluated steps.

    `low` and `high` are the ends of the accuracies' 95% intervals, `n` the questions behind each.
     */
export interface Metrics {
  step: number[];
  accuracy: Record<string, (number | null)[]>;
  loss: Record<string, (number | null)[]>;
  low?: Record<string, (number | null)[]>;
  high?: Record<string, (number | null)[]>;
  n?: Record<string, number>;
}

/** A split that can be chosen; `dash` is that of its lines, "" for none. */
export interface SplitName {
  name: string;
  label: string;
  about: string;
  dash: string;
}

/** A token position or a target of the lens: its name, in sentences, and short. */
export interface Named {
  name: string;
  label: string;
  short: string;
}

/** A token position, with the symbol that stands for it where there is little room. */
export interface NamedPosition {
  name: string;
  label: string;
  short: string;
  symbol: string;
}

/** Names of splits and of shortcuts. */
export interface Vocabulary {
  splits: Record<string, string>;
  shortcuts: Record<string, string>;
}

/** A phase or event of training; `span` is its first and last step.

    One that cannot be dated is named, but not marked on the timeline; `text` says why.
     */
export interface Phase {
  name: string;
  step: number;
  span: number[] | null;
  text: string;
  dated: boolean;
}

/** An edge of the circuit between places [row, position]; no target is the answer. */
export interface Edge {
  name: string;
  source: number[];
  target: number[] | null;
}

/** The parts of the discovered circuit that do not change with the step. */
export interface Discovered {
  rows: string[];
  symbols: string[];
  edges: Edge[];
  candidates: number;
}

/** The questions at one end, by step, pair and rank, and their effects in 127ths. */
export interface SinglesEnd {
  question: PackedBytes;
  code: PackedBytes;
}

/** Effects on single questions, by step and pair of edge and token. */
export interface Singles {
  edge: number[][];
  token: number[][];
  n: number[][];
  largest: Packed;
  most: SinglesEnd;
  least: SinglesEnd;
}

/** The discovered circuit of one split at every step. */
export interface DiscoveredMeasures {
  step: number[];
  kept: PackedBytes;
  carries: PackedBytes;
  strength: PackedMeasure;
  effect: PackedMeasure;
  frequency: Packed;
  alone: PackedMeasure;
  whole: PackedMeasure;
  examples?: string[];
  singles?: Singles;
}

/** A curve with its band: of a run, of a group of runs, or of one measure.

    `alone` has the runs of a group that go on where another one has ended.
     */
export interface ComparedSeries {
  name: string;
  colour: string;
  dash: string | null;
  steps: number[];
  values: (number | null)[];
  low?: (number | null)[];
  high?: (number | null)[];
  alone?: ((number | null)[])[];
  n?: number;
}

/** Curves of one kind; `unit` is "share" or "MRR". */
export interface ComparedPanel {
  title: string;
  hint: string;
  unit?: string;
  series: ComparedSeries[];
}

/** Measurements on one split, at every step. */
export interface SplitMeasures {
  lens?: PackedMeasure;
  added?: PackedMeasure;
  tracing?: PackedMeasure;
  moved?: PackedMeasure;
  bridge?: PackedMeasure;
  flips?: PackedBytes;
  drawn?: PackedBytes;
  right?: PackedBytes;
  examples?: string[];
  discovered?: DiscoveredMeasures;
  further?: ComparedPanel[];
  sliced?: ComparedSeries;
  about?: string;
}

/** What a page shows on a slice, beside its payload. */
export interface Sliced {
  measures: Record<string, SplitMeasures>;
}

/** A setting by training; one table (level x place) for each kind.

    `held` has the other settings in which the compared runs differ.
     */
export interface Diagram {
  setting: string;
  held: string;
  levels: string[];
  n_runs: number[];
  kinds: string[];
  tables: Packed[];
}

/** The Compare page. */
export interface Compared {
  panels: ComparedPanel[];
  aligned: string;
  phases: Diagram[];
}

/** A stop of the guided tour: where on the timeline, what is shown, and a sentence. */
export interface TourStop {
  title: string;
  step: number;
  text: string;
  split: string;
  circuit: string;
}

/** The guided tour; it is offered from `least` stops on. */
export interface Tour {
  stops: TourStop[];
  least: number;
}

/** What a check of the run found at one step, in words. */
export interface CheckMark {
  step: number;
  text: string;
}

/** The payload of a page: what the timeline needs, then the page's own part. */
export interface Payload {
  steps: number[];
  metrics: Metrics;
  splits: SplitName[];
  vocabulary: Vocabulary;
  baselines: Record<string, Record<string, number>>;
  phases: Phase[];
  checked?: CheckMark[];
  colours: Record<string, string>;
  measures: Record<string, SplitMeasures>;
  unit?: string;
  positions?: NamedPosition[];
  layers?: number;
  usable?: boolean[][];
  targets?: Named[];
  discovered?: Discovered;
  question?: Question;
  lab?: Lab;
  compared?: Compared;
  bench?: Bench;
  heads?: Heads;
  tour?: Tour;
}

/** A fact of the entity in the middle. */
export interface Fact {
  name: string;
  relation: string;
  provenance: string;
}

/** The facts that lead to the entity, or away from it. */
export interface Side {
  heading: string;
  facts: Fact[];
}

/** The facts around an entity; `sides` are "in" and "out". */
export interface AroundPayload {
  entity: string;
  sides: Record<string, Side>;
  colours: Record<string, string>;
}

/** Whole numbers in the bytes after the JSON: unsigned, of `size` bytes each, from `first`. */
export interface Stored {
  size: number;
  shape: number[];
  first: number;
}

/** What a mean is taken of: each distinct value once, and a number of it for every question.

    `codes` has the axes of the measure and then its questions; `asked` says which of the split's
    questions those are. A null in the table: the question has no value.
     */
export interface Terms {
  table: (number | null)[];
  codes: Stored;
  asked: Stored;
}

/** The names at one place of the questions, each once, and which of them each question has. */
export interface NamesAsked {
  names: string[];
  codes: Stored;
}

/** The measured questions of a split: what slices are made of, and what is drawn of them.

    `right` by step and question: 0, 1, or 2 where that is not known. `learned`: the step, -1 for
    never, null where that is not known. `accuracy` has no values yet. `unasked`: what is said of a
    slice without questions.
     */
export interface SplitQuestions {
  n: number;
  named: Record<string, NamesAsked>;
  shortcut?: Stored;
  right: Stored;
  learned: (number | null)[];
  accuracy: ComparedSeries;
  unasked: string;
  lens?: Terms;
  tracing?: Terms;
  bridge?: Terms;
}

/** The values of single questions by split.

    `quantiles`: Student's, of the 95% interval of a mean of so many values; `least`: the fewest of
    which one is given; `z`: the normal one. `about` says what is drawn, with {n} for the number.
     */
export interface QuestionValues {
  bySplit: Record<string, SplitQuestions>;
  quantiles: number[];
  z: number;
  least: number;
  about: string;
}

/** A condition of a slice: pairs of value and words to choose from; `typed`: or to type.

    `note`: that no question has the name, or "".
     */
export interface SliceCondition {
  name: string;
  label: string;
  options: string[][];
  typed: boolean;
  note: string;
}

/** What a slice is chosen by, and the one that the server knows after so many choices. */
export interface SlicePanel {
  conditions: SliceCondition[];
  chosen: Record<string, string>;
  told: number;
  note: string;
}
