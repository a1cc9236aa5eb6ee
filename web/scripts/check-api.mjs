// Fails when src/api/schema.d.ts is not what openapi.json generates.
import { readFile } from "node:fs/promises";
import openapiTS, { astToString, COMMENT_HEADER } from "openapi-typescript";

const spec = new URL("../openapi.json", import.meta.url);
const wanted = COMMENT_HEADER + astToString(await openapiTS(spec));
const found = await readFile(new URL("../src/api/schema.d.ts", import.meta.url), "utf8");
if (wanted.trim() !== found.trim()) {
  console.error("src/api/schema.d.ts is out of step with openapi.json: run `npm run gen:api`");
  process.exit(1);
}
console.log("api types: in step");
