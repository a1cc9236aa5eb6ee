// Who is there, and what was said where: the same people always, found as the server finds them.
const AGO = { orbit: null, fieldnotes: 190, kasia: null, hao_cooks: 97_000 };

/** What the server says of a member; null where they hide it. */
export function presenceOf(id) {
  if (!(id in AGO)) return null;
  const ago = AGO[id];
  return {
    is_online: ago === null,
    last_seen_at: ago === null ? null : new Date(Date.now() - ago * 1_000).toISOString(),
  };
}

const folded = (text) => text.normalize("NFKD").toLowerCase().replace(/\p{M}/gu, "").replaceAll("đ", "d");
const PAGE_MAX = 20;

/** The events of one connection; `said` gives every message there is. */
export function presence(socket, said) {
  socket.on("presence:watch", ({ user_ids }, ack) =>
    ack({ ok: true, items: user_ids.map((user_id) => ({ user_id, presence: presenceOf(user_id) })) }),
  );
  socket.on("room:search", ({ q, limit = PAGE_MAX }, ack) => {
    if (folded(q) === "fail") return ack({ ok: false, code: "unavailable", detail: "try again later" });
    const words = folded(q).split(/\s+/).filter(Boolean);
    const found = said()
      .filter(({ text }) => {
        const its = folded(text).split(/[^\p{L}\p{N}]+/u);
        return words.every((word) => its.some((one) => one.startsWith(word)));
      })
      .sort((a, b) => (a.id < b.id ? 1 : -1));
    ack({ ok: true, items: found.slice(0, limit), next: null });
  });
}
