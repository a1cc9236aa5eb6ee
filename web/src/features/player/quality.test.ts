import { describe, expect, it } from "vitest";
import { AUDIO_ONLY, AUTO, find, idOf, listOf } from "./quality";

const level = (height: number, bitrate: number, frameRate = 30) => ({
  height,
  width: Math.round((height * 16) / 9),
  bitrate,
  frameRate,
});

describe("the list of qualities", () => {
  it("is best first, one per name, and sound alone comes last", () => {
    const list = listOf([level(480, 1e6), level(720, 3e6, 60), level(720, 2e6), level(480, 2e6)], true);
    expect(list.map(({ id, index }) => [id, index])).toEqual([
      ["720p60", 1],
      ["720p", 2],
      ["480p", 3],
      [AUDIO_ONLY, -1],
    ]);
  });

  it("names what has no height as it was sent", () => {
    expect(idOf({ height: 0, frameRate: 0 })).toBe("source");
  });
});

describe("a choice", () => {
  const list = listOf([level(1080, 6e6, 60), level(720, 3e6), level(360, 1e6)], true);

  it("is itself where it exists", () => {
    expect(find(list, "720p")?.index).toBe(1);
    expect(find(list, AUDIO_ONLY)?.index).toBe(-1);
    expect(find(list, AUTO)).toBeNull();
  });

  it("is the nearest that is not larger elsewhere, or the smallest", () => {
    expect(find(list, "1440p")?.id).toBe("1080p60");
    expect(find(list, "480p")?.id).toBe("360p");
    expect(find(list, "240p")?.id).toBe("360p");
    expect(find(listOf([], false), "480p")).toBeNull();
  });

  it("that makes no sense is left to the player", () => {
    expect(find(list, "best")).toBeNull();
    expect(find(listOf([level(720, 1)], false), AUDIO_ONLY)).toBeNull();
  });
});
