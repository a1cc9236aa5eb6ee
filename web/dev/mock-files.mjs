// Members' files, made up: folders, every kind and every state. What is uploaded is kept in memory and soon processed.
const MIB = 1 << 20;
const PART = 5 * MIB;
const SPREAD = 6_000;

/** `mock` is what the stand-in knows: its ids, how it refuses, and whom it tells. */
export function memberFiles({ scene, uuid7, iso, problem, picture, vod, io }) {
  const files = new Map();
  const uploads = new Map();
  let limits = {
    used_bytes: 0,
    plan: "PLUS",
    plan_name: "PLUS",
    quota_bytes: 20_000 * MIB,
    file_bytes_max: 10_240 * MIB,
    form_bytes_max: 50 * MIB,
  };
  limits = { ...limits, media_only: false, trash_days: 30 };
  const add = (path, name, kind, bytes, agoS, more = {}) => {
    const id = uuid7();
    const isPicture = kind === "image";
    const file = {
      id,
      name,
      path,
      kind,
      mime: null,
      bytes,
      width: isPicture ? 1920 : null,
      height: isPicture ? 1080 : null,
      visibility: "private",
      tags: [],
      state: "completed",
      progress: 100,
      fail_code: null,
      version: 1,
      upload_id: uuid7(),
      served_version: 1,
      url: `/api/v1/files/${id}/content`,
      thumbnail_url: isPicture ? `/api/v1/files/${id}/thumbnail` : null,
      vod_id: null,
      created_at: iso(agoS),
      changed_at: iso(agoS),
      trashed_at: null,
      ...more,
    };
    const isOpen = ["uploading", "queued", "processing", "failed", "virus_failed"].includes(file.state);
    if (isOpen && file.version === 1)
      Object.assign(file, { served_version: null, url: null, thumbnail_url: null });
    files.set(id, file);
    return file;
  };
  add("/", "Lịch phát tháng 12.pdf", "pdf", 482_113, 90_000, { tags: ["lịch"] });
  add("/", "overlay-lower-third.png", "image", 1_284_113, 4_000, {
    visibility: "unlisted",
    tags: ["overlay", "scene"],
  });
  add("/", "intro-jingle.flac", "audio", 18_402_113, 260_000, { version: 3, served_version: 3 });
  add("/", "shownotes.md", "text", 6_204, 1_200, { visibility: "public" });
  add("/", "behind-the-scenes.mkv", "video", 2_841_000_000, 600, { state: "processing", progress: 42 });
  add(
    "/",
    "Q&A with tea (long cut with a very long name that nobody will ever want to read to its end).mp4",
    "video",
    1_204_000_000,
    86_000,
    { vod_id: vod(), url: null },
  );
  add("/", "field-recording.wav", "audio", 240_113_000, 300, { state: "queued" });
  add("/", "totally-a-song.exe", "file", 68_000, 7_000, {
    state: "virus_failed",
    fail_code: "file.infected",
  });
  add("/", "poster.jpg", "image", 4_204_000, 7_200, {
    state: "failed",
    fail_code: "file.not-what-it-says",
    version: 2,
  });
  add("/", "stream-deck-backup.zip", "file", 12_400_000, 640_000, { state: "duplicate", version: 2 });
  for (const [i, name] of ["dusk", "roof", "bench", "solder", "scope"].entries())
    add("/pictures/2026/", `${name}.jpg`, "image", 900_000 + i * 311_000, 50_000 * (i + 1));
  add("/pictures/", "cover.webp", "image", 640_000, 90_000);
  add("/schematics/", "vco-rev4.pdf", "pdf", 920_000, 400_000);
  add("/schematics/", "vco-rev4.kicad.zip", "file", 7_120_000, 400_000);
  add("/", "old-overlay.png", "image", 812_000, 900_000, { trashed_at: iso(90_000) });
  add("/schematics/", "vco-rev3.pdf", "pdf", 880_000, 1_900_000, { trashed_at: iso(400_000) });
  const broken = add("/", "talk-recording.mp4", "video", 734_003_200, 5_000, {
    state: "uploading",
    progress: 0,
  });
  uploads.set(broken.upload_id, {
    file: broken,
    size: 734_003_200,
    parts: new Map(),
    chunks: new Map(),
    isOld: true,
  });
  for (let n = 1; n <= 61; n++) uploads.get(broken.upload_id).parts.set(n, `etag-${n}`);

  const json = (response, status, body) => {
    const type = status >= 400 ? "application/problem+json" : "application/json";
    response
      .writeHead(status, { "content-type": type })
      .end(body === undefined ? undefined : JSON.stringify(body));
    return true;
  };
  const refuse = (response, status, code, title) => json(response, status, problem(status, code, title).body);
  const changed = () => io().emit("file:changed", {});
  const urlsOf = (upload) => {
    const count = Math.ceil(upload.size / PART);
    return Array.from({ length: count }, (_, i) => i + 1)
      .filter((number) => !upload.parts.has(number))
      .map((part_number) => ({
        part_number,
        url: `http://elsewhere.example/api/v1/files/chunked-upload/${upload.file.upload_id}/parts/${part_number}?bytes=1`,
      }));
  };
  const viewOf = (upload) => ({
    file_id: upload.file.id,
    upload_id: upload.file.upload_id,
    name: upload.file.name,
    size: upload.size,
    part_size: PART,
    parts: [...upload.parts].map(([part_number, etag]) => ({
      part_number,
      etag,
      size: Math.min(PART, upload.size - (part_number - 1) * PART),
    })),
    upload_urls: urlsOf(upload),
    expires_at: iso(-80_000),
  });
  const taken = (file, bytes) => {
    Object.assign(file, { state: "queued", progress: 0, bytes });
    changed();
    setTimeout(() => {
      Object.assign(file, { state: "processing", progress: 55 });
      changed();
    }, SPREAD / 4);
    setTimeout(() => {
      const isBad = file.name.startsWith("fail");
      Object.assign(
        file,
        isBad
          ? { state: "failed", fail_code: "file.not-what-it-says" }
          : { state: "completed", progress: 100 },
      );
      if (!isBad) {
        file.served_version = file.version;
        file.url = `/api/v1/files/${file.id}/content`;
        if (file.kind === "image") file.thumbnail_url = `/api/v1/files/${file.id}/thumbnail`;
      }
      changed();
    }, SPREAD / 2);
  };
  const kindOf = (mime) =>
    ["image", "video", "audio", "text"].find((one) => mime.startsWith(one)) ??
    (mime.endsWith("pdf") ? "pdf" : "file");
  const begun = (path, name, mime, bytes) => {
    const folder = `/${path.split("/").filter(Boolean).join("/")}/`.replace("//", "/");
    const old = [...files.values()].find(
      (one) => one.path === folder && one.name === name && !one.trashed_at,
    );
    if (old)
      return Object.assign(old, {
        version: old.version + 1,
        state: "uploading",
        upload_id: uuid7(),
        changed_at: iso(),
      });
    return add(folder, name, kindOf(mime), bytes, 0, { state: "uploading", progress: 0 });
  };
  const live = () => [...files.values()].filter((one) => !one.trashed_at);
  const listed = (q) => {
    if (scene.empty) return { items: [], folders: [], next_cursor: null };
    const path = q.get("path");
    const words = q.get("q")?.toLowerCase();
    const items = [...files.values()].filter(
      (one) =>
        Boolean(one.trashed_at) === (q.get("trash") === "true") &&
        (!path || one.path === path) &&
        (!words || one.name.toLowerCase().includes(words)) &&
        (!q.get("kind") || one.kind === q.get("kind")) &&
        (!q.get("tag") || one.tags.includes(q.get("tag"))),
    );
    const by = {
      size: (a, b) => b.bytes - a.bytes,
      recent: (a, b) => b.changed_at.localeCompare(a.changed_at),
    };
    items.sort(by[q.get("sort")] ?? ((a, b) => a.name.toLowerCase().localeCompare(b.name.toLowerCase())));
    const below = new Map();
    for (const one of path ? live() : []) {
      if (!one.path.startsWith(path) || one.path === path) continue;
      const name = one.path.slice(path.length).split("/")[0];
      const folder = below.get(name) ?? { name, path: `${path}${name}/`, files: 0, bytes: 0 };
      folder.files += 1;
      folder.bytes += one.bytes;
      below.set(name, folder);
    }
    return {
      items: items.slice(0, Number(q.get("limit") ?? 24)),
      folders: [...below.values()],
      next_cursor: null,
    };
  };
  const bulk = ({ action, ids = [], folders = [], path }) => {
    const within = live().filter((one) => folders.some((folder) => one.path.startsWith(folder)));
    const some = [...ids.map((id) => files.get(id)).filter(Boolean), ...within];
    for (const one of some) {
      if (action === "trash") one.trashed_at = iso();
      else if (action === "restore") one.trashed_at = null;
      else if (action === "erase") files.delete(one.id);
      else {
        const from = folders.find((folder) => one.path.startsWith(folder));
        one.path = from ? `${path}${from.split("/").at(-2)}/${one.path.slice(from.length)}` : path;
      }
    }
    changed();
    return { done: some.length, name_taken: [] };
  };
  const versionsOf = (file) =>
    Array.from({ length: file.version }, (_, i) => file.version - i).map((number) => ({
      number,
      state: number === file.version ? file.state : "completed",
      progress: 100,
      fail_code: number === file.version ? file.fail_code : null,
      bytes: Math.round(file.bytes * (0.8 + number * 0.07)),
      created_at: iso(90_000 * (file.version - number) + 4_000),
      is_kept: number !== file.version || file.state === "completed",
      is_served: number === file.served_version,
    }));

  function handle(request, response, path, url, bytes) {
    const body =
      request.headers["content-type"]?.includes("json") && bytes.length > 0 ? JSON.parse(bytes) : {};
    if (path === "/api/v1/me/files") {
      const used = scene.empty ? 0 : [...files.values()].reduce((sum, one) => sum + one.bytes, 0);
      return json(response, 200, { ...limits, used_bytes: used });
    }
    if (!path.startsWith("/api/v1/files")) return false;
    const rest = path.slice("/api/v1/files".length);
    if (rest === "") return json(response, 200, listed(url.searchParams));
    if (rest === "/bulk") return json(response, 200, bulk(body));
    if (rest === "/rename-folder") {
      for (const one of files.values())
        if (one.path.startsWith(body.from)) one.path = body.to + one.path.slice(body.from.length);
      changed();
      return json(response, 200, {});
    }
    if (rest === "/upload") {
      const head = bytes.subarray(0, 2_000).toString();
      const name = /filename="([^"]*)"/.exec(head)?.[1] ?? "file";
      const mime = /content-type: *([^\r]+)/i.exec(head)?.[1] ?? "";
      const folder = /name="path"\r\n\r\n([^\r]*)/.exec(head)?.[1] ?? "/";
      const file = begun(folder, name, mime, bytes.length);
      taken(file, bytes.length);
      return json(response, 201, file);
    }
    if (rest === "/chunked-upload/initiate") {
      if (body.name.startsWith("full")) return refuse(response, 409, "file.full", "no room");
      const file = begun(body.path, body.name, body.mime_type ?? "", body.size);
      const upload = { file, size: body.size, parts: new Map() };
      uploads.set(file.upload_id, upload);
      changed();
      return json(response, 201, viewOf(upload));
    }
    if (rest === "/chunked-upload/complete") {
      const upload = uploads.get(body.upload_id);
      if (!upload) return refuse(response, 404, "file.no-upload", "over");
      if (upload.parts.size !== Math.ceil(upload.size / PART))
        return refuse(response, 409, "file.incomplete", "a part is missing");
      uploads.delete(body.upload_id);
      taken(upload.file, upload.size);
      return json(response, 202, upload.file);
    }
    const part = rest.match(/^\/chunked-upload\/([^/]+)(?:\/parts\/(\d+))?$/);
    if (part) {
      const upload = uploads.get(part[1]);
      if (!upload) return refuse(response, 404, "file.no-upload", "over");
      if (request.method === "PUT") {
        upload.parts.set(Number(part[2]), `"etag-${part[2]}-${bytes.length}"`);
        // As long as a part takes over a home line.
        setTimeout(() => response.writeHead(200, { etag: upload.parts.get(Number(part[2])) }).end(), 2_500);
        return true;
      }
      if (request.method === "DELETE") {
        uploads.delete(part[1]);
        if (upload.file.version === 1) files.delete(upload.file.id);
        else Object.assign(upload.file, { state: "completed", version: upload.file.version - 1 });
        changed();
        response.writeHead(204).end();
        return true;
      }
      return json(response, 200, viewOf(upload));
    }
    const found = rest.match(/^\/([^/]+)(?:\/(.+))?$/);
    const file = files.get(found?.[1]);
    if (!file) return refuse(response, 404, "file.not-found", "no such file");
    const what = found[2];
    if (what === "thumbnail" || what === "content") {
      if (file.kind === "image") {
        response.writeHead(200, { "content-type": "image/svg+xml" }).end(picture(file.name.length % 12));
      } else if (file.kind === "text") {
        const text = `# ${file.name}\n\n${"What was said, and where it can be read.\n".repeat(40)}`;
        response.writeHead(200, { "content-type": "text/plain; charset=utf-8" }).end(text);
      } else response.writeHead(200, { "content-type": "application/octet-stream" }).end("bytes");
      return true;
    }
    if (what === "versions") return json(response, 200, { items: versionsOf(file) });
    if (what === "cancel") Object.assign(file, { state: "cancelled" });
    else if (what === "restore") file.trashed_at = null;
    else if (what?.startsWith("versions/")) file.served_version = Number(what.split("/")[1]);
    else if (request.method === "PATCH") {
      const isTaken = live().some((one) => one !== file && one.path === file.path && one.name === body.name);
      if (isTaken) return refuse(response, 409, "file.name-taken", "taken");
      Object.assign(file, body, { changed_at: iso() });
    }
    if (request.method !== "GET") changed();
    return json(response, 200, file);
  }
  return Object.assign(handle, { all: live });
}
