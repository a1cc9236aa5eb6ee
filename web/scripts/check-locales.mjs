// Every language has the same keys, with exactly the plural forms it needs; every key a component names exists and every
// key is named somewhere; no component holds words of its own.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import ts from "typescript";

const src = new URL("../src/", import.meta.url).pathname;
const languages = ["en", "vi"];
const faults = [];

const flat = (node, path = "") =>
  Object.entries(node).flatMap(([key, value]) =>
    typeof value === "string" ? [[path + key, value]] : flat(value, `${path}${key}.`),
  );
const locales = {};
for (const lang of languages) {
  locales[lang] = new Map(flat(JSON.parse(await readFile(join(src, `i18n/${lang}.json`), "utf8"))));
}

const PLURAL = /_(zero|one|two|few|many|other)$/;
const stems = (lang) => new Set([...locales[lang].keys()].map((key) => key.replace(PLURAL, "")));
const [first, ...others] = languages;
for (const lang of others) {
  for (const key of stems(first)) if (!stems(lang).has(key)) faults.push(`${lang}.json lacks ${key}`);
  for (const key of stems(lang))
    if (!stems(first).has(key)) faults.push(`${lang}.json has ${key}, ${first}.json does not`);
}
for (const lang of languages) {
  const forms = new Intl.PluralRules(lang).resolvedOptions().pluralCategories;
  const keys = locales[lang];
  for (const key of keys.keys()) {
    if (!key.endsWith("_other")) continue;
    const stem = key.replace(PLURAL, "");
    for (const form of forms)
      if (!keys.has(`${stem}_${form}`)) faults.push(`${lang}.json lacks ${stem}_${form}`);
  }
  for (const [key, value] of keys) {
    if (value.trim() === "") faults.push(`${lang}.json: ${key} is empty`);
    const other = locales[lang === first ? others[0] : first].get(key);
    const holes = (text) =>
      [...text.matchAll(/\{\{(\w+)\}\}/g)]
        .map((match) => match[1])
        .sort()
        .join();
    if (other !== undefined && holes(value) !== holes(other))
      faults.push(`${key}: the languages fill different blanks`);
  }
}

// What components say, and which keys they use.
const SPOKEN = new Set(["aria-label", "title", "placeholder", "alt", "label", "text"]);
const WORD = /\p{L}{2,}/u;
const exact = new Set();
const prefixes = [];
function visit(node, file, source) {
  if (ts.isJsxText(node) && WORD.test(node.text)) {
    faults.push(`${at(node, file, source)}: words in a component: ${node.text.trim()}`);
  }
  if (
    ts.isJsxAttribute(node) &&
    SPOKEN.has(node.name.getText(source)) &&
    node.initializer &&
    ts.isStringLiteral(node.initializer) &&
    WORD.test(node.initializer.text)
  ) {
    faults.push(`${at(node, file, source)}: words in ${node.name.getText(source)}: ${node.initializer.text}`);
  }
  if (ts.isStringLiteralLike(node)) exact.add(node.text);
  if (ts.isTemplateExpression(node)) prefixes.push(node.head.text);
  ts.forEachChild(node, (child) => visit(child, file, source));
}
const at = (node, file, source) =>
  `${file}:${source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1}`;
for (const file of await readdir(src, { recursive: true })) {
  if (!/\.tsx?$/.test(file) || /\.test\.tsx?$|\.d\.ts$/.test(file)) continue;
  const source = ts.createSourceFile(
    file,
    await readFile(join(src, file), "utf8"),
    ts.ScriptTarget.Latest,
    true,
    file.endsWith("x") ? ts.ScriptKind.TSX : ts.ScriptKind.TS,
  );
  visit(source, file, source);
}
const heads = prefixes.filter((head) => /^[a-z]\w*\./i.test(head));
for (const key of stems(first)) {
  if (!exact.has(key) && !heads.some((head) => key.startsWith(head))) faults.push(`nobody says ${key}`);
}

if (faults.length > 0) {
  console.error(faults.join("\n"));
  process.exit(1);
}
console.log(`locales: ${languages.join(", ")} in step, ${stems(first).size} keys`);
