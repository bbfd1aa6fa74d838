// Slices as the browser shows them, from the values of single questions, beside those of the server:
// prints how many numbers were compared and where they differ. Argument: a folder with whole.json,
// values.bin and slices.json, a list of { conditions, measures }.

import { readFileSync } from "node:fs";
import { join } from "node:path";

import { RunData } from "../../app/instrument/js/dataset.js";
import { QuestionValues } from "../../app/instrument/js/question_values.js";

const folder = process.argv[2];
const read = (name) => JSON.parse(readFileSync(join(folder, name), "utf8"));
const data = new RunData(read("whole.json"));
const values = await QuestionValues.unpack(readFileSync(join(folder, "values.bin")));
let compared = 0;
const differ = [];

function same(mine, theirs, where) {
  compared++;
  if (!Object.is(mine, theirs) && differ.length < 20) differ.push([where, mine, theirs]);
}

/** Every index of a shape. */
function* indices(shape, at = []) {
  if (at.length === shape.length) yield at;
  else for (let i = 0; i < shape[at.length]; i++) yield* indices(shape, [...at, i]);
}

function sameMeasure(mine, theirs, where) {
  same(mine === null, theirs === null, where);
  if (!mine || !theirs) return;
  same(String(mine.shape), String(theirs.shape), where);
  for (const at of indices(mine.shape)) {
    const about = `${where} at ${at}`;
    same(mine.at(...at), theirs.at(...at), about);
    same(String(mine.interval(...at)), String(theirs.interval(...at)), about);
    same(mine.inWords(...at), theirs.inWords(...at), about); // with n
  }
}

function sameBits(mine, theirs, n, where) {
  same(mine === null, theirs === null, where);
  if (!mine || !theirs) return;
  same(theirs.shape.at(-1), n, where);
  for (const at of indices([...mine.shape.slice(0, -1), n])) {
    same(mine.at(...at), theirs.at(...at), `${where} at ${at}`);
  }
}

for (const { conditions, measures } of read("slices.json")) {
  data.onQuestions(values, conditions);
  const here = data.bySplit;
  data.onSlice(measures);
  for (const [name, theirs] of Object.entries(data.bySplit)) {
    const mine = here[name],
      where = `${JSON.stringify(conditions)} ${name}`;
    for (const of of ["lens", "added", "tracing", "moved", "bridge"]) {
      sameMeasure(mine[of], theirs[of], `${where} ${of}`);
    }
    for (const of of ["flips", "drawn", "right"]) {
      sameBits(mine[of], theirs[of], mine.examples.length, `${where} ${of}`);
    }
    for (const of of ["examples", "sliced", "about"]) {
      same(JSON.stringify(mine[of]), JSON.stringify(theirs[of]), `${where} ${of}`);
    }
    same(mine.discovered === theirs.discovered, true, where);
  }
}
console.log(JSON.stringify({ compared, differ }));
