import { describe, expect, it } from "vitest";
import { parseStoryboard, tileAt } from "./storyboard";

const base = "https://tv.example/vod/7/storyboard.vtt";
const file = `WEBVTT - made by a test

NOTE a remark --> of no matter

1
00:00:00.000 --> 00:00:10.000
sprite-0.jpg#xywh=0,0,160,90

00:10.000 --> 00:20.000
sprite-0.jpg?v=2#xywh=160,0,160,90

01:00:00.000 --> 01:00:10.000 line:0
/elsewhere/sprite-1.jpg#xywh=pixel:0,90,160,90

00:00:20.000 --> 00:00:30.000
just words

00:00:30.000 --> 00:00:20.000
sprite-0.jpg#xywh=0,0,160,90

00:00:40.000 --> 00:00:50.000
javascript:alert(1)#xywh=0,0,160,90
`;

describe("a storyboard", () => {
  const tiles = parseStoryboard(file, base);

  it("gives each picture its time, address and place", () => {
    expect(tiles).toEqual([
      { from: 0, to: 10, url: "https://tv.example/vod/7/sprite-0.jpg", x: 0, y: 0, w: 160, h: 90 },
      { from: 10, to: 20, url: "https://tv.example/vod/7/sprite-0.jpg?v=2", x: 160, y: 0, w: 160, h: 90 },
      { from: 3600, to: 3610, url: "https://tv.example/elsewhere/sprite-1.jpg", x: 0, y: 90, w: 160, h: 90 },
    ]);
  });

  it("reads the line ends of every system", () => {
    expect(parseStoryboard(file.replaceAll("\n", "\r\n"), base)).toEqual(tiles);
    expect(parseStoryboard(`\uFEFF${file}`, base)).toEqual(tiles);
  });

  it("is empty for what is none", () => {
    expect(parseStoryboard("<!doctype html>", base)).toEqual([]);
    expect(parseStoryboard("", base)).toEqual([]);
  });

  it("shows the last picture before a second", () => {
    expect(tileAt(tiles, 9.99)?.x).toBe(0);
    expect(tileAt(tiles, 10)?.x).toBe(160);
    expect(tileAt(tiles, 1800)?.x).toBe(160);
    expect(tileAt(tiles, 9_999)?.y).toBe(90);
    expect(tileAt(tiles.slice(1), 0)?.x).toBe(160);
    expect(tileAt([], 3)).toBeNull();
  });
});
