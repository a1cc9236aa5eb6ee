import { expect, it } from "vitest";
import { sortLiveFirst } from "@/shell/Rail";
import { ffmpegCommand } from "./encoder";
import { parseTags } from "./tags";

it("tags are split, cleaned and unique", () => {
  expect(parseTags(" Rust, #live ,, rust,Tiếng Việt")).toEqual(["rust", "live", "tiếng việt"]);
});

it("the command publishes to the server with the key and a key frame every two seconds", () => {
  const command = ffmpegCommand("rtmp://host:1935/live", "k1");
  expect(command).toContain('-f flv "rtmp://host:1935/live/k1"');
  expect(command).toContain("-g 60");
});

it("followed channels come live first, most watched on top", () => {
  const channel = (username: string, viewers?: number) => ({
    username,
    display_name: username,
    live: viewers === undefined ? null : ({ viewers } as never),
  });
  const order = sortLiveFirst([channel("c"), channel("a"), channel("x", 5), channel("y", 50)]);
  expect(order.map((one) => one.username)).toEqual(["y", "x", "a", "c"]);
});
