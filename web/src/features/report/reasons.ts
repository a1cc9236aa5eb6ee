import type { Schemas } from "@/api/types";

export type Reason = Schemas["ReportReason"];

/** The most frequent first. */
export const REASONS: readonly Reason[] = [
  "spam",
  "harassment",
  "hate",
  "violence",
  "sexual",
  "self_harm",
  "impersonation",
  "copyright",
  "other",
];
export const NOTE_CHARS_MAX = 500;
