// Share links, made up: one of every kind and state, for their owner and for those who come by.
const SVG =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 29 29"><rect width="29" height="29" fill="#fff"/>' +
  '<path d="M4 4h7v7h-7zM18 4h7v7h-7zM4 18h7v7h-7zM13 13h3v3h-3zM18 18h2v2h-2zM22 22h3v3h-3zM13 4h2v5h-2z"/></svg>';

/** `mock` is what the stand-in knows: its ids, its pictures, how it refuses. */
export function shareLinks({ scene, uuid7, iso, problem, picture, vod }) {
  const links = new Map();
  const add = (token, resource_type, name, more = {}) => {
    const link = {
      id: uuid7(),
      url: `http://127.0.0.1:8090/share/${token}`,
      token,
      resource_type,
      resource_id: resource_type === "folder" ? null : uuid7(),
      path: resource_type === "folder" ? `/${name}/` : null,
      name,
      permission: "view",
      has_password: false,
      expires_at: null,
      max_accesses: null,
      accesses: 0,
      notify_on_access: false,
      state: "active",
      created_at: iso(90_000),
      last_access_at: null,
      revoked_at: null,
      ...more,
    };
    links.set(token, link);
    return link;
  };
  add("picture", "file", "dusk.jpg", {
    permission: "download",
    expires_at: iso(-400_000),
    accesses: 12,
    last_access_at: iso(3_000),
  });
  add("locked", "file", "contract (final, really).pdf", {
    has_password: true,
    max_accesses: 5,
    accesses: 2,
    last_access_at: iso(90_000),
    notify_on_access: true,
  });
  add("folder", "folder", "pictures", { permission: "download", accesses: 1, last_access_at: iso(600) });
  add("words", "file", "shownotes.md");
  add("sound", "file", "intro-jingle.flac", { permission: "download" });
  add("other", "file", "stream-deck-backup.zip");
  add("vod", "vod", "Building a modular synth voice", { accesses: 31, last_access_at: iso(400) });
  add("late", "file", "old-overlay.png", { state: "expired", expires_at: iso(4_000), accesses: 3 });
  add("used", "file", "invitation.png", { state: "exhausted", max_accesses: 1, accesses: 1 });
  add("revoked", "folder", "schematics", { state: "revoked", revoked_at: iso(90), accesses: 8 });
  add("gone", "vod", "A stream that was deleted", { state: "gone" });

  const page = (items) => ({ items, next_cursor: null });
  const visit = (outcome, network, device, browser, system, ago) => ({
    id: uuid7(),
    at: iso(ago),
    ...{ outcome, network, device, browser, system },
  });
  const log = [
    visit("granted", "203.0.113.0/24", "phone", "Safari", "iOS", 600),
    visit("wrong_password", "198.51.100.0/24", "computer", "Firefox", "Linux", 900),
    visit("granted", "2001:db8:14::/48", "computer", "Cốc Cốc", "Windows", 7_200),
    visit("exhausted", "192.0.2.0/24", "program", "curl", null, 90_000),
  ];
  const file = (name, kind, bytes, link) => ({
    id: uuid7(),
    name,
    kind,
    mime: "application/octet-stream",
    bytes,
    width: kind === "image" ? 1920 : null,
    height: kind === "image" ? 1080 : null,
    url: ["image", "text", "audio", "video"].includes(kind) ? `/api/v1/shared/x/${kind}` : null,
    download_url: link.permission === "download" ? "/api/v1/shared/x/file" : null,
    thumbnail_url: kind === "image" ? "/api/v1/shared/x/image" : null,
    changed_at: iso(4_000),
  });
  const inFolder = (path, link) =>
    path === "/"
      ? {
          path,
          folders: [
            { name: "2026", path: "/2026/", files: 14 },
            { name: "Ảnh bìa", path: "/Ảnh bìa/", files: 2 },
          ],
          items: ["bench", "dusk", "roof"]
            .map((name, at) => file(`${name}.jpg`, "image", 900_000 * (at + 1), link))
            .concat(file("captions.txt", "text", 2_104, link), file("raw.zip", "file", 84_000_000, link)),
          next_cursor: null,
        }
      : { path, folders: [], items: [file("solder.jpg", "image", 1_204_000, link)], next_cursor: null };
  const KINDS = { words: "text", sound: "audio", other: "file" };
  const shown = (link) => ({
    resource_type: link.resource_type,
    name: link.name,
    permission: link.permission,
    expires_at: link.expires_at,
    visit: "visit",
    expires_in: 240,
    file:
      link.resource_type === "file" ? file(link.name, KINDS[link.token] ?? "image", 1_284_113, link) : null,
    folder: link.resource_type === "folder" ? inFolder("/", link) : null,
    vod:
      link.resource_type === "vod"
        ? {
            ...{ id: vod().id, title: link.name, description: vod().description, is_recording: false },
            ...{ duration_s: vod().duration_s, thumbnail_url: vod().thumbnail_url, storyboard_url: null },
            ...{ playback: vod().playback, token: null, created_at: iso(90_000) },
          }
        : null,
  });

  return function handle(request, response, path, bytes) {
    const body =
      request.headers["content-type"]?.includes("json") && bytes.length > 0 ? JSON.parse(bytes) : {};
    const json = (status, what) => {
      const type = status >= 400 ? "application/problem+json" : "application/json";
      const wait = status === 429 ? { "retry-after": "42" } : {};
      response.writeHead(status, { "content-type": type, ...wait }).end(JSON.stringify(what));
      return true;
    };
    const refuse = (status, code) => json(status, problem(status, code, code).body);
    const bytesOf = path.match(/^\/api\/v1\/shared\/x\/(\w+)$/);
    if (bytesOf) {
      const isPicture = bytesOf[1] === "image";
      const type = isPicture
        ? "image/svg+xml"
        : bytesOf[1] === "text"
          ? "text/plain"
          : "application/octet-stream";
      const text = `# Show notes\n\n${"What was said, and where it can be read.\n".repeat(60)}`;
      response.writeHead(200, { "content-type": type }).end(isPicture ? picture(4) : text);
      return true;
    }
    if (!path.startsWith("/api/v1/share-links")) return false;
    const rest = path.slice("/api/v1/share-links".length);
    const coming = rest.match(/^\/token\/([^/]+)\/(access|renew|items)$/);
    if (coming) {
      const link = links.get(coming[1]);
      if (coming[1] === "many") return refuse(429, "share.throttled");
      if (!link || (link.has_password && coming[2] === "access" && body.password !== "open"))
        return refuse(404, "share.not-found");
      if (link.state !== "active") return refuse(410, `share.${link.state}`);
      return json(200, coming[2] === "items" ? inFolder(body.path || "/", link) : shown(link));
    }
    if (rest === "" && request.method === "GET") {
      const asked = new URL(request.url, "http://mock").searchParams;
      const some = [...links.values()].filter(
        (link) =>
          (!asked.get("path") || link.path === asked.get("path")) &&
          (!asked.get("resource_id") || link.resource_id === asked.get("resource_id")),
      );
      return json(200, page(scene.empty ? [] : some));
    }
    if (rest === "") {
      const made = add(`made${links.size}`, body.path ? "folder" : (body.resource_type ?? "file"), "made", {
        ...body,
        has_password: Boolean(body.password),
        created_at: iso(),
      });
      return json(201, made);
    }
    const [, id, what] = rest.match(/^\/([^/]+)(?:\/(\w+))?$/) ?? [];
    const link = [...links.values()].find((one) => one.id === id);
    if (!link) return refuse(404, "share.not-found");
    if (what === "accesses") return json(200, page(link.accesses ? log : []));
    if (what === "qr") {
      response.writeHead(200, { "content-type": "image/svg+xml" }).end(SVG);
      return true;
    }
    if (request.method === "DELETE") {
      Object.assign(link, { state: "revoked", revoked_at: iso() });
      response.writeHead(204).end();
      return true;
    }
    if (request.method === "PATCH") {
      const { password, ...others } = body;
      Object.assign(link, others, password === undefined ? {} : { has_password: password !== null });
    }
    return json(200, link);
  };
}
