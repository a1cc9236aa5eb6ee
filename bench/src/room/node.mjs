// A plain Socket.IO server that tells a room what it is sent and stores nothing: the yardstick of `bench chat`.
import { createServer } from "node:http";
import { createRequire } from "node:module";

const { Server } = createRequire(`${process.env.RILLCAST_WEB}/`)("socket.io");
const http = createServer();
const io = new Server(http, { serveClient: false, pingInterval: 10_000, pingTimeout: 8_000 });
const author = { id: "01890a5d-ac96-774b-bcce-b302099a8057", username: "somebody", display_name: "Somebody", badges: [] };
let number = 0;

io.on("connection", (socket) => {
  socket.on("stream:join", ({ username }, answer) => {
    socket.join(username);
    answer({ ok: true, viewers: 0, history: [], modes: {} });
  });
  socket.on("chat:send", ({ username, text, client_id }, answer) => {
    number += 1;
    const id = `01890a5d-ac96-774b-bcce-${String(number).padStart(12, "0")}`;
    const sent_at = new Date().toISOString();
    const message = { id, username, user: author, text, client_id, sent_at, stream_id: null, offset_ms: null };
    io.to(username).emit("chat:message", message);
    answer({ ok: true, message });
  });
});
http.listen(0, "127.0.0.1", () => console.log(`ready http://127.0.0.1:${http.address().port}`));
