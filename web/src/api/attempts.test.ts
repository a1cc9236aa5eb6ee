import { expect, it } from "vitest";
import { newAttempts, retryAttempt } from "./attempts";
import { ApiError } from "./errors";

const refusal = (status: number, code = "some.code") => new ApiError({ status, code });

/** A server that notes keys and does as told. */
function server(...answers: (ApiError | string)[]) {
  const keys: string[] = [];
  const send = async (header: { "Idempotency-Key": string }) => {
    keys.push(header["Idempotency-Key"]);
    const answer = answers.shift() ?? "made";
    if (answer instanceof ApiError) throw answer;
    return answer;
  };
  return { keys, send };
}

it("asked again after no answer, a wish keeps its key; once it is settled the next one has its own", async () => {
  const once = newAttempts();
  const { keys, send } = server(refusal(0), refusal(503), refusal(409, "idempotency.running"));
  for (let i = 0; i < 3; i++) await expect(once(["room", "a"], send)).rejects.toThrow();
  expect(await once(["room", "a"], send)).toBe("made");
  expect(await once(["room", "a"], send)).toBe("made");
  expect(new Set(keys.slice(0, 4)).size).toBe(1);
  expect(keys[4]).not.toBe(keys[3]);
});

it("two clicks are one attempt, and another body is another", async () => {
  const once = newAttempts();
  const { keys, send } = server();
  await Promise.all([once({ name: "a" }, send), once({ name: "a" }, send), once({ name: "b" }, send)]);
  expect(keys[0]).toBe(keys[1]);
  expect(keys[2]).not.toBe(keys[0]);
});

it("a refusal settles an attempt", async () => {
  const once = newAttempts();
  const { keys, send } = server(refusal(422), "made");
  await expect(once("x", send)).rejects.toThrow();
  await once("x", send);
  expect(keys[1]).not.toBe(keys[0]);
});

it("an attempt is given up after ten minutes", async () => {
  let now = 0;
  const once = newAttempts(() => now);
  const { keys, send } = server(refusal(0), "made");
  await expect(once("x", send)).rejects.toThrow();
  now += 10 * 60_000 + 1;
  await once("x", send);
  expect(keys[1]).not.toBe(keys[0]);
});

it("what was away for a moment is asked again, twice at most; refusals are not", () => {
  expect(retryAttempt(0, refusal(0))).toBe(true);
  expect(retryAttempt(1, refusal(503))).toBe(true);
  expect(retryAttempt(2, refusal(503))).toBe(false);
  expect(retryAttempt(0, refusal(409, "idempotency.running"))).toBe(true);
  expect(retryAttempt(0, refusal(409))).toBe(false);
  expect(retryAttempt(0, refusal(500))).toBe(false);
});
