// Pictures and files in conversations, for the stand-in server. `fail.*` is refused after it was sent, `bad.*` has a virus.
const MAX = 10 << 20;

/** `mock` is what the stand-in knows: its rooms, its ids, and how it refuses. */
export function attachments(mock) {
  const { talks, uuid7, picture } = mock;
  const files = new Map();
  const shown = (one) => {
    const url = `/api/v1/rooms/${one.room}/attachments/${one.id}`;
    const { bytes, id, name, type, mime, state, width, height } = one;
    const place =
      state === "ready" ? { url, ...(type === "image" ? { thumbnail_url: `${url}/thumbnail` } : {}) } : {};
    return { id, name, type, mime, bytes, state, ...(type === "image" ? { width, height } : {}), ...place };
  };
  const add = (room, name, type, more = {}) => {
    const one = {
      id: uuid7(),
      room,
      name,
      type,
      mime: "image/jpeg",
      bytes: 1_482_113,
      state: "ready",
      width: 1600,
      height: 900,
      ...more,
    };
    files.set(one.id, one);
    return one;
  };
  const of = (id) => (files.has(id) ? shown(files.get(id)) : undefined);
  const json = (response, status, body) => {
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    return true;
  };
  return {
    limits: { bytes_max: MAX, images_only: false },
    of,
    /** One of each sort, for pages that are looked at. */
    fill(room) {
      return [
        shown(add(room, "roof at dusk.jpg", "image")),
        shown(add(room, "vacuum-runs.pdf", "file", { mime: "application/pdf", bytes: 482_113 })),
        shown(add(room, "plan.zip", "file", { state: "checking", bytes: 2_104_882 })),
        shown(add(room, "totally-a-song.exe", "file", { state: "infected", bytes: 68 })),
        shown(add(room, "portrait.jpg", "image", { width: 900, height: 1600 })),
      ];
    },
    handle(request, response, path, body) {
      const found = path.match(/^\/api\/v1\/rooms\/([^/]+)\/attachments(?:\/([^/]+))?(\/thumbnail)?$/);
      if (!found || !talks.has(found[1])) return false;
      const [, room, id] = found;
      if (request.method === "POST") {
        const head = body.subarray(0, 2_000).toString("latin1");
        const name = /filename="([^"]*)"/.exec(head)?.[1] ?? "file";
        const mime = /content-type: *([^\r]+)/i.exec(head)?.[1] ?? "application/octet-stream";
        if (name.startsWith("fail"))
          return json(response, 422, { code: "attachment.not-a-picture", title: "no", status: 422 });
        const isPicture = /^image\/(jpeg|png|webp|gif)$/.test(mime);
        const bytes = body.length - head.indexOf("\r\n\r\n") - 60;
        const state = name.startsWith("bad") ? "infected" : "ready";
        const one = add(room, name, isPicture ? "image" : "file", {
          mime,
          bytes,
          state,
          width: 1200,
          height: 800,
        });
        return json(response, 201, shown(one));
      }
      const one = files.get(id);
      if (!one) return json(response, 404, { code: "attachment.not-found", title: "gone", status: 404 });
      if (request.method === "DELETE") {
        files.delete(id);
        response.writeHead(204).end();
        return true;
      }
      response.writeHead(200, {
        "content-type": one.type === "image" ? "image/svg+xml" : "application/octet-stream",
      });
      response.end(one.type === "image" ? picture(7, one.width, one.height) : "bytes");
      return true;
    },
  };
}
