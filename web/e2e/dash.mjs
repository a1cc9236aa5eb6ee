// MPEG-DASH in dash.js on a page of somebody else's site: a broadcast, the same from its beginning, and its recording to the
// end. Judged by what the <video> does and by what dash.js complains of.
//
// RILLCAST_URL and RILLCAST_RTMP name a running site.
import { elsewhere } from "./elsewhere.mjs";
import { check, site, until } from "./people.mjs";
import { measured, member, play } from "./stage.mjs";

const live = "/live/caster/index.mpd";
const behind = (screen) => screen.evaluate(() => window.player.getCurrentLiveLatency());

await play("dash", async () => {
  const open = await elsewhere("dashjs/dist/modern/umd/dash.all.min.js", (url) => {
    const player = window.dashjs.MediaPlayer().create();
    player.on("error", ({ error }) => window.complaints.push(JSON.stringify(error).slice(0, 300)));
    player.on("playbackError", ({ error }) => window.complaints.push(String(error?.message ?? error)));
    player.initialize(document.querySelector("video"), url, true);
    window.player = player;
  });
  const caster = await member("caster");
  const encoder = await caster.publish();
  await until("a manifest", async () => (await fetch(`${site}${live}`)).ok, 20);

  const edge = await open(live);
  measured.live = { ...(await edge.plays("live", 10)), live_s: await behind(edge) };
  await edge.close();

  const rewound = await open(`${live}?dvr=1`);
  await rewound.plays("the whole stream", 2);
  await rewound.evaluate(() => window.player.seek(0));
  await until("the way back", async () => (await behind(rewound)) > 12);
  measured.rewound = { ...(await rewound.plays("from its beginning", 4)), live_s: await behind(rewound) };
  check(measured.rewound.live_s > 12, `it plays what was long ago: ${measured.rewound.live_s} s`);
  await rewound.close();

  await encoder.stop();
  const vod = await caster.recording();
  const recording = await open(`/vod/${vod.id}/index.mpd`);
  await recording.plays("the recording", 4);
  await recording.evaluate((at) => window.player.seek(at), vod.duration_s - 4);
  const last = await recording.ends("the recording");
  // Sound may go on for a moment after the last picture.
  check(
    last.at > vod.duration_s - 0.5 && last.at < vod.duration_s + 1,
    `it ends where it should: ${last.at} of ${vod.duration_s}`,
  );
  measured.recording = last;
});
