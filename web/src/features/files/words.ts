// What is said of a file's state.
import type { TFunction } from "i18next";
import type { StoredFile } from "./api";

/** Why nothing became of a version; the server's codes without their beginning. */
export const FAILURES = [
  "not_what_it_says",
  "too_many_pixels",
  "infected",
  "unscannable",
  "full",
  "expired",
  "internal",
] as const;
type Failure = (typeof FAILURES)[number];

const failureOf = (code: string | null | undefined): Failure => {
  const name = (code ?? "").replace(/^file\./, "").replaceAll("-", "_");
  return FAILURES.find((one) => one === name) ?? "internal";
};

type Stated = Pick<StoredFile, "state" | "progress" | "fail_code"> &
  Pick<Partial<StoredFile>, "served_version">;

/** A sentence for a state; null for a file that is as it should be. */
export function stateText(
  t: TFunction,
  { state, progress, fail_code, served_version }: Stated,
): string | null {
  const isServed = served_version !== undefined && served_version !== null;
  switch (state) {
    case "completed":
      return null;
    case "processing":
      return t("files.state.processing", { percent: progress });
    case "failed":
      return t(`files.fail.${failureOf(fail_code)}`);
    case "virus_failed":
      return t("files.fail.infected");
    case "cancelled":
      return t(isServed ? "files.state.cancelled_newer" : "files.state.cancelled");
    default:
      return t(`files.state.${state}`);
  }
}

export const isBad = ({ state }: Pick<StoredFile, "state">) => state === "failed" || state === "virus_failed";
