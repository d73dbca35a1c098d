// Evaluate an official C2PA asset rubric on a crJSON document:
//   node evaluate.mjs FOLDER_OF_JSON_FORMULA RUBRIC.json DOCUMENT.json
// The expressions are json-formula (npm package @adobe/json-formula). Prints {check id: result} as JSON.
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const [folder, rubricFile, documentFile] = process.argv.slice(2);
const { default: JsonFormula } = await import(pathToFileURL(`${folder}/src/json-formula.js`));
const { variables, expressions, checks, perManifest } = JSON.parse(readFileSync(rubricFile, 'utf8'));
const document = JSON.parse(readFileSync(documentFile, 'utf8'));

// The rubric's own functions take their arguments as $args; json-formula wants such functions made by the host.
const ANY = 1;
const own = {};
const run = (body, data, args) =>
  new JsonFormula(own).search(body, data, { ...variables, $args: args });
for (const [name, body] of Object.entries(expressions)) {
  own[name] = {
    _func: (args, data) => run(body, data, args),
    _signature: [{ types: [ANY], optional: true, variadic: true }],
  };
}
const results = {};
for (const check of checks) {
  const found = run(check.expression, perManifest ? document.manifests[0] : document, []);
  const matched = Array.isArray(found) ? found.length > 0 : Boolean(found);
  results[check.id.split(':')[1]] = check.failIfMatched || check.warnIfMatched ? !matched : matched;
}
process.stdout.write(JSON.stringify(results));
