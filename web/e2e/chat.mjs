// A chat client of the reference implementation's, over one transport: `chat.mjs URL TRANSPORT CHANNEL TOKEN TEXT`.
// Joins, says TEXT twice under one client_id, hears it once, and is refused what makes no sense. Prints the message's id.
import assert from "node:assert/strict";
import { io } from "socket.io-client";

const [url, transport, channel, token, text] = process.argv.slice(2);
const socket = io(url, { transports: [transport], auth: { token }, reconnection: false, timeout: 10_000 });
const ask = (event, body) => socket.timeout(10_000).emitWithAck(event, body);

const heard = [];
socket.on("chat:message", (message) => heard.push(message));
await new Promise((resolve, reject) => {
  socket.once("connect", resolve);
  socket.once("connect_error", reject);
});
assert.equal(socket.io.engine.transport.name, transport);

const joined = await ask("stream:join", { username: channel });
assert.equal(joined.ok, true);
const line = { username: channel, text, client_id: text };
const said = await ask("chat:send", line);
assert.equal(said.ok, true);
const again = await ask("chat:send", line);
assert.equal(again.message.id, said.message.id);
const refused = await ask("no:such", { a: [{}] });
assert.equal(refused.ok, false);
assert.equal(typeof refused.code, "string");

const page = await ask("chat:history", { username: channel, limit: 50 });
const mine = (messages) => messages.filter((message) => message.text === text);
assert.equal(mine(page.items).length, 1);
assert.equal(mine(heard).length, 1);

const ended = new Promise((resolve) => socket.once("disconnect", resolve));
socket.disconnect();
assert.equal(await ended, "io client disconnect");
console.log(said.message.id);
