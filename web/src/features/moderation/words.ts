// What was done, in words.
import type { TFunction } from "i18next";
import type { ModAct } from "@/api/types";
import { type ModeChange, modeChanges } from "./acts";

const SPANS: readonly [string, number][] = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];

/** "10 minutes", "90 seconds": in the largest unit that says it exactly. */
export function span(seconds: number, lang: string): string {
  const [unit, size] = SPANS.find(([, size]) => seconds >= size && seconds % size === 0) ?? ["second", 1];
  return new Intl.NumberFormat(lang, { style: "unit", unit, unitDisplay: "long" }).format(seconds / size);
}

function changeText(t: TFunction, lang: string, change: ModeChange): string {
  switch (change.key) {
    case "slow":
      return change.seconds === null
        ? t("mod.change.slow_off")
        : t("mod.change.slow", { span: span(change.seconds, lang) });
    case "followers":
      if (change.seconds === null) return t("mod.change.followers_off");
      return change.seconds === 0
        ? t("mod.change.followers_any")
        : t("mod.change.followers", { span: span(change.seconds, lang) });
    case "emote":
      return change.isOn ? t("mod.change.emote") : t("mod.change.emote_off");
    case "unique":
      return change.isOn ? t("mod.change.unique") : t("mod.change.unique_off");
    case "links":
      return t(`mod.change.links_${change.links}`);
  }
}

/** One act, without who did it and why. */
export function describe(
  t: TFunction,
  lang: string,
  act: Pick<ModAct, "action" | "target" | "detail">,
): string {
  const target = act.target ?? "";
  const { detail } = act;
  switch (act.action) {
    case "timeout":
      return t("mod.did.timeout", { target, span: span(detail?.seconds ?? 0, lang) });
    case "clear":
      return act.target ? t("mod.did.clear", { target }) : t("mod.did.clear_all");
    case "modes": {
      const changes = modeChanges(detail?.before ?? {}, detail?.after ?? {});
      return changes.length > 0
        ? t("mod.did.modes", { changes: changes.map((change) => changeText(t, lang, change)).join("; ") })
        : t("mod.did.modes_set");
    }
    case "shield":
      return detail?.after?.shield ? t("mod.did.shield_up") : t("mod.did.shield_down");
    case "undo":
      return t("mod.did.undo", { what: actionName(t, detail?.action ?? "") });
    default:
      return t(`mod.did.${act.action}` as never, {
        target,
        pattern: detail?.pattern ?? "",
        text: detail?.text ?? "",
        // What this page has never heard of is told as the server calls it.
        defaultValue: `${act.action} ${target}`.trim(),
      }) as string;
  }
}

/** The name of a kind of act. */
export function actionName(t: TFunction, action: string): string {
  return t(`mod.action.${action}` as never, { defaultValue: action }) as string;
}
