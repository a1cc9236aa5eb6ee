// The colours are CSS; what is proved here is read from there, so that nobody can change one without the other.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { hueOf } from "./colour";

const sheet = (name: string) => readFileSync(resolve(process.cwd(), "src/styles", name), "utf8");
const [app, tokens] = [sheet("app.css"), sheet("tokens.css")];

type Rgb = [number, number, number];
const clip = (value: number) => Math.min(1, Math.max(0, value));
const toLinear = (c: number) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
const toGamma = (c: number) => (c <= 0.0031308 ? c * 12.92 : 1.055 * c ** (1 / 2.4) - 0.055);

/** What a screen of sRGB shows of a colour: channels out of its reach are cut off, as browsers do, and rounded. */
function oklch(lightness: number, chroma: number, hue: number): Rgb {
  const [a, b] = [chroma * Math.cos((hue * Math.PI) / 180), chroma * Math.sin((hue * Math.PI) / 180)];
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
  return linear.map((c) => Math.round(toGamma(clip(c)) * 255) / 255) as Rgb;
}
const hex = (text: string): Rgb =>
  [1, 3, 5].map((at) => Number.parseInt(text.slice(at, at + 2), 16) / 255) as Rgb;
const luminance = (rgb: Rgb) => {
  const [r, g, b] = rgb.map(toLinear) as Rgb;
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
function contrast(one: Rgb, other: Rgb): number {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}
const over = (top: Rgb, share: number, ground: Rgb): Rgb =>
  top.map((c, at) => c * share + (ground[at] as number) * (1 - share)) as Rgb;

/** The value of every variable of a theme. */
function theme(name: string): (variable: string) => Rgb {
  const block = tokens.split(`:root[data-theme="${name}"] {`)[1]?.split("}")[0] ?? "";
  return (variable) => {
    const value = new RegExp(`--${variable}: (#[0-9a-f]{6});`).exec(block)?.[1];
    if (!value) throw new Error(`${name} has no --${variable}`);
    return hex(value);
  };
}
function nameColour(name: string): (hue: number) => Rgb {
  const selector = name === "dark" ? "\n  .name-hued {" : `:root[data-theme="${name}"] .name-hued {`;
  const [, l, c] = /color: oklch\(([\d.]+) ([\d.]+) var\(--hue\)\)/.exec(app.split(selector)[1] ?? "") ?? [];
  return (hue) => oklch(Number(l), Number(c), hue);
}

/** Whatever a name may stand on: the chat, a line pointed at, one that names the reader, an announcement, one that failed, a dialog. */
function grounds(name: string): Record<string, Rgb> {
  const of = theme(name);
  const plain = [
    "surface",
    "raised",
    "overlay",
    "ground",
    "sunken",
    "field",
    "melt-wash",
    "danger-wash",
    "live-wash",
  ];
  const known = Object.fromEntries(plain.map((one) => [one, of(one)]));
  return {
    ...known,
    "pointed at": over(of("raised"), 0.6, of("surface")),
    "names the reader, pointed at": over(of("raised"), 0.6, of("melt-wash")),
  };
}

describe("contrast by the rules of WCAG", () => {
  it("is what everybody else calculates", () => {
    expect(contrast([0, 0, 0], [1, 1, 1])).toBeCloseTo(21, 5);
    expect(contrast(hex("#767676"), hex("#ffffff"))).toBeCloseTo(4.54, 2);
    // oklch(0.6279554 0.2576833 29.2338851) is pure red.
    expect(oklch(0.6279554, 0.2576833, 29.2338851)).toEqual([1, 0, 0]);
  });
});

describe.each(["dark", "light"])("names in the %s theme", (name) => {
  const colour = nameColour(name);
  const hues = Array.from({ length: 360 }, (_, hue) => hue);
  it.each(Object.entries(grounds(name)))("can be read on: %s", (_, ground) => {
    const worst = Math.min(...hues.map((hue) => contrast(colour(hue), ground)));
    expect(worst).toBeGreaterThanOrEqual(4.5);
  });
  it("are told apart by their colour", () => {
    const shown = new Set(hues.map((hue) => colour(hue).join()));
    expect(shown.size).toBeGreaterThan(250);
  });
});

it("gives every name one of these hues, and uses most of them", () => {
  const given = Array.from({ length: 5_000 }, (_, at) => hueOf(`member_${at}`));
  for (const hue of given) expect(Number.isInteger(hue) && hue >= 0 && hue < 360).toBe(true);
  expect(new Set(given).size).toBeGreaterThan(340);
  expect(hueOf("alice")).toBe(hueOf("alice"));
});
