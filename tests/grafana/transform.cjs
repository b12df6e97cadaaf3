// Prints what panels make of rows: reads [{"steps": [...], "rows": [{"name", "type", "values"}, ...]}, ...] from standard input.
const data = require("@grafana/data");
const fs = require("node:fs");

globalThis.window = globalThis; // a transformation asks it for the context of a dashboard
const known = new Map(Object.values(data.standardTransformers).map((each) => [each.id, each]));
data.standardTransformersRegistry.setInit(() =>
  [...known.values()].map((each) => ({
    id: each.id,
    name: each.name,
    description: "",
    editor: null,
    transformation: () => Promise.resolve(each),
  })),
);

function transformed({ steps, rows }) {
  for (const step of steps) {
    if (!known.has(step.id)) throw new Error(`no transformation ${step.id}`);
  }
  return new Promise((resolve, reject) => {
    data.transformDataFrame(steps, [data.toDataFrame({ refId: "A", fields: rows })]).subscribe({
      next: (frames) =>
        resolve(frames.flatMap((frame) => frame.fields.map(({ name, type, values }) => ({ name, type, values })))),
      error: reject,
    });
  });
}

Promise.all(JSON.parse(fs.readFileSync(0, "utf8")).map(transformed)).then((found) => console.log(JSON.stringify(found)));
