// Resolves the modules of k6 to what run.mjs laid out, and takes script.js for the module that it is to k6.
const names = {
  k6: ['check'],
  'k6/data': ['SharedArray'],
  'k6/execution': ['default'],
  'k6/http': ['default'],
};

export function resolve(specifier, context, next) {
  return specifier in names ? { url: `stand-in:${specifier}`, shortCircuit: true } : next(specifier, context);
}

export async function load(url, context, next) {
  if (url.startsWith('stand-in:')) {
    const name = url.slice('stand-in:'.length);
    const lines = names[name].map((member) => {
      const value = `globalThis.__standIn[${JSON.stringify(name)}].${member}`;
      return member === 'default' ? `export default ${value};` : `export const ${member} = ${value};`;
    });
    return { format: 'module', source: lines.join('\n'), shortCircuit: true };
  }
  return next(url, url.endsWith('/script.js') ? { ...context, format: 'module' } : context);
}
