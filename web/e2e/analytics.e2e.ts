// The tables of the analytics pages as files: a press begins a download, of what the server said, under a name that says what it is.
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { base, byId, newPerson, type Person, signUp } from "./browser";

let person: Person;
beforeAll(async () => {
  person = await newPerson();
  await signUp(person.page, "csv");
});
afterAll(() => person?.close());

/** Presses the button of a table; returns the file's name, what is in it, and what the server sent. */
async function download(button: string) {
  const { page } = person;
  const [file, answer] = await Promise.all([
    page.waitForEvent("download"),
    page.waitForResponse((response) => response.url().includes("format=csv")),
    page.locator(`[data-testid^="${button}"]`).click(),
  ]);
  const text = await readFile(await file.path(), "utf8");
  return { name: file.suggestedFilename(), text, sent: await answer.text() };
}

it.each([
  ["days", "date,on_air_s,"],
  ["sources", "kind,host,viewers"],
])("the %s of a range are saved as a file", async (table, columns) => {
  await person.page.goto(`${base}/studio/analytics?from=2026-02-01&to=2026-02-07`);
  await byId(person.page, "analytics").waitFor();
  const { name, text, sent } = await download(`csv-analytics-${table}-`);
  expect(name).toBe(`analytics-${table}-2026-02-01-2026-02-07.csv`);
  expect(text).toBe(sent);
  const [head, ...rows] = text.trimEnd().split("\r\n");
  expect(head?.startsWith(columns)).toBe(true);
  if (table === "days")
    expect(rows.map((row) => row.split(",")[0])).toEqual(
      [1, 2, 3, 4, 5, 6, 7].map((day) => `2026-02-0${day}`),
    );
  else expect(rows.length).toBeGreaterThan(3);
});

it("a refused file is told, and nothing is saved", async () => {
  const { page } = person;
  await page.goto(`${base}/studio/analytics`);
  await byId(page, "analytics").waitFor();
  await page.route(/format=csv/, (route) => route.fulfill({ status: 503, body: "" }));
  const saved: string[] = [];
  page.on("download", (file) => saved.push(file.suggestedFilename()));
  await page.locator('[data-testid^="csv-analytics-days-"]').click();
  await page.getByText("The file could not be made").first().waitFor();
  await page.unroute(/format=csv/);
  expect(saved).toEqual([]);
});
