import { describe, expect, it } from "vitest";
import { bySection, found, written } from "./console";

const items = [
  { key: "data_dir", about: "Folder for everything" },
  { key: "hls.part_ms", about: "Length of a part" },
  { key: "ingest.rtmps.listen", about: "Where encoders connect" },
  { key: "hls.segment_ms", about: "Length of a segment" },
];

describe("settings", () => {
  it("are shown by section, whatever lies between", () => {
    const sections = bySection(items).map(([name, own]) => [name, own.length]);
    expect(sections).toEqual([
      ["", 1],
      ["hls", 2],
      ["ingest.rtmps", 1],
    ]);
  });

  it("are found by key and by sentence", () => {
    expect(found(items, " LENGTH ").map((item) => item.key)).toEqual(["hls.part_ms", "hls.segment_ms"]);
    expect(found(items, "rtmps")).toHaveLength(1);
    expect(found(items, "")).toHaveLength(4);
  });

  it("are written as a file has them", () => {
    expect([written(["a", "b"]), written(false), written(null), written(0)]).toEqual([
      "a, b",
      "false",
      "",
      "0",
    ]);
  });
});
