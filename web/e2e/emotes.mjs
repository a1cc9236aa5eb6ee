// A channel's own emote, from the studio to everybody's chat: added, picked, completed by Tab, reacted with, called something else, and
// taken away, after which its name stands where it was.
//
// RILLCAST_URL and RILLCAST_RTMP name a running site; nothing is broadcast.
import { crc32, deflateSync } from "node:zlib";
import { check, until } from "./people.mjs";
import { clean, measured, member, play, shot, shows } from "./stage.mjs";

/** A PNG of one colour. */
function png(side, [red, green, blue]) {
  const chunk = (name, data) => {
    const body = Buffer.concat([Buffer.from(name), data]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, sum]);
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const row = Buffer.concat([Buffer.from([0]), Buffer.alloc(side * 3, Buffer.from([red, green, blue]))]);
  const pixels = deflateSync(Buffer.concat(Array.from({ length: side }, () => row)));
  return Buffer.concat([
    Buffer.from("\x89PNG\r\n\x1a\n", "latin1"),
    chunk("IHDR", header),
    chunk("IDAT", pixels),
    chunk("IEND", Buffer.alloc(0)),
  ]);
}

const joined = (page) => shows(page, "chat", { joined: true });
const field = (page) => page.getByTestId("chat-input");
const line = (page, text) => page.getByTestId("chat-message").filter({ hasText: text }).last();
const picture = (within, name) => within.locator(`img[alt=":${name}:"]`);
const isDrawn = (image) => image.evaluate(({ complete, naturalWidth }) => complete && naturalWidth > 0);

await play("emotes", async () => {
  const [maker, fan] = await Promise.all(["maker", "fan"].map(member));
  const watching = await fan.page("/popout/maker/chat", { viewport: { width: 400, height: 720 } });
  await joined(watching);

  const studio = await maker.page("/studio/emotes");
  const choose = (name, mimeType, buffer) =>
    studio.getByTestId("emote-file").setInputFiles({ name, mimeType, buffer });
  await choose("drawing.svg", "image/svg+xml", Buffer.from("<svg xmlns='http://www.w3.org/2000/svg'/>"));
  await studio.getByTestId("emote-fault").waitFor();
  await choose("liar.png", "image/png", Buffer.from("<svg xmlns='http://www.w3.org/2000/svg'/>"));
  await studio.getByTestId("emote-add").click();
  await studio.getByTestId("emote-error").waitFor();
  await studio.getByTestId("emote-name").fill("");
  await choose("Happy Cat.png", "image/png", png(200, [250, 120, 20]));
  await studio.getByTestId("emote-preview").waitFor();
  check((await studio.getByTestId("emote-name").inputValue()) === "happy_cat", "a name is proposed");
  await shot(studio, "chosen");
  await clean(studio, "a picture chosen");
  const begun = Date.now();
  await studio.getByTestId("emote-add").click();
  await shows(studio, "own-emote", { name: "happy_cat" });
  measured.added_ms = Date.now() - begun;
  await shot(studio, "added");
  await clean(studio, "the emotes");

  // Who sits in the chat has it without asking: among the pictures, by Tab, in a line, under a line.
  await field(watching).fill("what a :hap");
  await watching.getByTestId("chat-offers").getByText(":happy_cat:").waitFor();
  await field(watching).press("Tab");
  check((await field(watching).inputValue()) === "what a :happy_cat: ", "Tab completes it");
  await field(watching).press("Enter");
  const said = line(watching, "what a");
  await until("the emote in a line", () => isDrawn(picture(said, "happy_cat")));
  await said.hover();
  await said.getByTestId("chat-react").click();
  const board = watching.getByTestId("own-emotes");
  await until("the emote among the pictures", () => isDrawn(picture(board, "happy_cat")));
  await clean(watching, "the pictures", "[data-testid=chat-picker]");
  await shot(watching, "picker");
  await board.getByRole("button").click();
  await said.locator('[data-testid="chat-reaction"][data-emoji=":happy_cat:"]').waitFor();

  // Called something else: what was said stays as it was.
  await studio.getByTestId("emote-rename").click();
  await studio.getByTestId("emote-new-name").fill("glad_cat");
  await studio.getByTestId("emote-save").click();
  await shows(studio, "own-emote", { name: "glad_cat" });
  await field(watching).fill(":glad");
  await watching.getByTestId("chat-offers").getByText(":glad_cat:").waitFor();
  await field(watching).fill("");

  // Taken away: a line that is read anew has its name.
  await studio.getByTestId("emote-remove").click();
  await studio.getByTestId("emote-remove-confirm").click();
  await shows(studio, "emote-count", { count: 0 });
  const later = await fan.page("/c/maker");
  await joined(later);
  // In the line, and in the reaction below it.
  await line(later, "what a").getByText(":happy_cat:", { exact: true }).nth(1).waitFor();
  check((await picture(line(later, "what a"), "happy_cat").count()) === 0, "no broken picture stays");
});
