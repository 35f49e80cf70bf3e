// node run.mjs SCRIPT ANSWERS: loads a script of k6 with stand-ins for k6's modules, calls its function once for each answer
// of the JSON array ANSWERS ({status, body}), and prints its options, the requests it made and what its checks said.
import { readFileSync } from 'node:fs';
import { register } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [, , script, answersText] = process.argv;
const answers = JSON.parse(answersText);
const requests = [];
const checks = [];
let iteration = 0;

globalThis.open = (name) => readFileSync(join(dirname(script), name), 'utf8');
globalThis.__ENV = process.env;
globalThis.__standIn = {
  k6: {
    check(value, conditions) {
      const passed = Object.values(conditions).map((condition) => Boolean(condition(value)));
      checks.push(...passed);
      return passed.every(Boolean);
    },
  },
  'k6/data': {
    SharedArray: function SharedArray(_name, make) {
      return make();
    },
  },
  'k6/execution': { default: { scenario: { get iterationInTest() { return iteration; } } } },
  'k6/http': {
    default: {
      post(url, body, parameters) {
        requests.push({ url, body, parameters });
        const answer = answers[iteration];
        return { status: answer.status, body: answer.body, json: () => JSON.parse(answer.body) };
      },
    },
  },
};
register(pathToFileURL(join(import.meta.dirname, 'loader.mjs')));

const module = await import(pathToFileURL(script));
for (; iteration < answers.length; iteration += 1) {
  module[Object.values(module.options.scenarios)[0].exec]();
}
console.log(JSON.stringify({ options: module.options, requests, checks }));
