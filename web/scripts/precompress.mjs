// Writes a .br and a .gz beside every text asset of dist/, so that the server never compresses a file twice.
import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";

const dist = new URL("../dist/", import.meta.url).pathname;
const compressible = new Set([".html", ".js", ".css", ".svg", ".json", ".txt", ".webmanifest"]);
// Below this a compressed copy costs more in headers than it saves.
const SIZE_MIN = 512;

const files = await readdir(dist, { recursive: true });
let before = 0;
let after = 0;
await Promise.all(
  files.map(async (name) => {
    const path = join(dist, name);
    if (!compressible.has(extname(name)) || !(await stat(path)).isFile()) return;
    const bytes = await readFile(path);
    if (bytes.length < SIZE_MIN) return;
    const br = await promisify(brotliCompress)(bytes, {
      params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
    });
    await writeFile(`${path}.br`, br);
    await writeFile(`${path}.gz`, await promisify(gzip)(bytes, { level: 9 }));
    before += bytes.length;
    after += br.length;
  }),
);
console.log(`precompressed: ${Math.round(before / 1024)} kB as ${Math.round(after / 1024)} kB of brotli`);
