// Draws openapi.json as a list of operations. Builds elements, never HTML text: the document is data.
const make = (tag, props = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
};

const METHODS = ["get", "post", "put", "patch", "delete"];

/** A type in a few words. */
function words(schema, doc, depth = 0) {
  if (!schema) return "";
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    return depth > 2 ? name : words(doc.components.schemas[name], doc, depth);
  }
  const options = schema.oneOf ?? schema.anyOf ?? schema.allOf;
  if (options) return options.map((option) => words(option, doc, depth)).join(" | ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const types = [schema.type ?? "any"].flat();
  return types
    .map((type) => {
      if (type === "array") return `${words(schema.items, doc, depth + 1)}[]`;
      if (type !== "object" || !schema.properties) return schema.format ? `${type} (${schema.format})` : type;
      const required = new Set(schema.required ?? []);
      const pad = "  ".repeat(depth + 1);
      const lines = Object.entries(schema.properties).map(([name, inner]) => {
        const note = inner.description ? `  // ${inner.description.replaceAll("\n", " ")}` : "";
        return `${pad}${name}${required.has(name) ? "" : "?"}: ${words(inner, doc, depth + 1)}${note}`;
      });
      return `{\n${lines.join("\n")}\n${"  ".repeat(depth)}}`;
    })
    .join(" | ");
}

function body(title, content, doc) {
  if (!content) return [];
  return Object.entries(content).map(([mime, media]) =>
    make("div", {}, make("h3", { textContent: `${title} · ${mime}` }), make("pre", { textContent: words(media.schema, doc) })),
  );
}

function operation(doc, path, method, op) {
  const parameters = (op.parameters ?? []).map((parameter) =>
    make(
      "tr",
      {},
      make("th", { scope: "row", textContent: parameter.name }),
      make("td", { textContent: `${parameter.in}${parameter.required ? ", required" : ""}` }),
      make("td", { textContent: words(parameter.schema, doc) }),
      make("td", { textContent: parameter.description ?? "" }),
    ),
  );
  const answers = Object.entries(op.responses ?? {}).flatMap(([status, response]) => [
    make("h3", { textContent: `${status}: ${response.description ?? ""}` }),
    ...(status === "4XX" ? [] : body("Answer", response.content, doc)),
  ]);
  const details = make(
    "details",
    { id: op.operationId },
    make(
      "summary",
      {},
      make("span", { className: "method", textContent: method }),
      make("code", { textContent: path }),
      make("span", { className: "says", textContent: op.summary ?? "" }),
    ),
    op.description ? make("p", { textContent: op.description }) : null,
    parameters.length ? make("table", {}, ...parameters) : null,
    ...body("Request", op.requestBody?.content, doc),
    ...answers,
  );
  details.dataset.text = `${method} ${path} ${op.operationId} ${op.summary ?? ""}`.toLowerCase();
  return details;
}

async function draw() {
  const place = document.getElementById("operations");
  const answer = await fetch("/api/v1/openapi.json");
  if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
  const doc = await answer.json();
  document.getElementById("about").textContent = `${doc.info.version} · ${doc.info.description}`;
  const groups = new Map();
  for (const [path, item] of Object.entries(doc.paths)) {
    for (const method of METHODS.filter((name) => item[name])) {
      const tag = item[method].tags?.[0] ?? "other";
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push(operation(doc, path, method, item[method]));
    }
  }
  place.replaceChildren(
    ...[...groups].map(([tag, operations]) => make("section", {}, make("h2", { textContent: tag }), ...operations)),
  );
  document.getElementById("find").addEventListener("input", (event) => {
    const wanted = event.target.value.trim().toLowerCase();
    for (const section of place.children) {
      const operations = [...section.querySelectorAll("details")];
      for (const details of operations) details.hidden = !details.dataset.text.includes(wanted);
      section.hidden = operations.every((details) => details.hidden);
    }
  });
  if (location.hash) {
    const named = document.getElementById(location.hash.slice(1));
    if (named) {
      named.open = true;
      named.scrollIntoView();
    }
  }
}

draw().catch((error) => {
  document.getElementById("operations").replaceChildren(make("p", { textContent: `The document could not be read: ${error.message}` }));
});
