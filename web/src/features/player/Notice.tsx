import type { TFunction } from "i18next";
import { useCallback, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { useLang } from "@/i18n/useLang";
import { clock } from "@/lib/time";
import type { Outcome } from "./mediator";

const SHOWN_MS = 1_400;

/** What came of a key or a touch, for eyes and ears alike. */
export function textOf(t: TFunction, lang: string, isLive: boolean, outcome: Outcome): string {
  switch (outcome.what) {
    case "volume":
      return t("player.said.volume", {
        value: new Intl.NumberFormat(lang, { style: "percent" }).format(outcome.value),
      });
    case "speed":
      return t("player.said.speed", { value: new Intl.NumberFormat(lang).format(outcome.value) });
    case "seek":
      if (isLive && outcome.end - outcome.at < 1) return t("player.at_live");
      return isLive
        ? t("player.seek_behind", { behind: clock(outcome.end - outcome.at) })
        : t("player.seek_at", { at: clock(outcome.at), end: clock(outcome.end) });
    case "captions":
      return outcome.label === null
        ? t("player.said.captions_off")
        : t("player.said.captions", { name: outcome.label });
    case "live":
      return t("player.at_live");
    default:
      return t(`player.said.${outcome.what}`);
  }
}

type Said = { text: string; n: number };

export function useNotice(isLive: boolean) {
  const { t } = useTranslation();
  const lang = useLang();
  const [said, setSaid] = useState<Said | null>(null);
  useEffect(() => {
    if (!said) return;
    const timer = setTimeout(() => setSaid(null), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [said]);
  const say = useCallback(
    (what: Outcome | string | null) => {
      if (what === null) return;
      const text = typeof what === "string" ? what : textOf(t, lang, isLive, what);
      setSaid((before) => ({ text, n: (before?.n ?? 0) + 1 }));
    },
    [t, lang, isLive],
  );
  return { said, say };
}

export function Notice({ said }: { said: Said | null }) {
  return (
    <>
      {said && (
        <div key={said.n} className="player-notice" aria-hidden="true" data-testid="player-notice">
          {said.text}
        </div>
      )}
      <p role="status" className="sr-only" data-testid="player-said">
        {said?.text ?? ""}
      </p>
    </>
  );
}
