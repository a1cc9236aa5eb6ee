// hls.js by itself, on a page of somebody else's site: the playlist RILLCAST_PLAY names, for a few seconds.
import { elsewhere } from "./elsewhere.mjs";
import { measured, play } from "./stage.mjs";

await play("hls", async () => {
  const open = await elsewhere("hls.js/dist/hls.min.js", (url) => {
    const video = document.querySelector("video");
    const player = new window.Hls({ lowLatencyMode: true });
    player.on("hlsError", (_, data) => data.fatal && window.complaints.push(`${data.type} ${data.details}`));
    player.loadSource(url);
    player.attachMedia(video);
    player.on("hlsManifestParsed", () => void video.play());
  });
  const screen = await open(process.env.RILLCAST_PLAY);
  Object.assign(measured, await screen.plays("the stream", 4));
});
