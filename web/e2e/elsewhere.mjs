// A page of somebody else's site, with a <video> and one library: what is embedded elsewhere has to work from there.
import { createServer } from "node:http";

export async function pageElsewhere(library) {
  const html = '<!doctype html><video muted controls width="640"></video><script src="/library.js"></script>';
  const server = createServer((request, answer) => {
    const isScript = request.url === "/library.js";
    answer.setHeader("content-type", isScript ? "text/javascript" : "text/html");
    answer.end(isScript ? library : html);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}
