import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { Presence } from "@/api/types";
import { useLang } from "@/i18n/useLang";
import { ago, secondsSince } from "@/lib/time";
import { useNow } from "@/lib/useNow";

/** "Online", "Last seen 3 minutes ago"; nothing where nobody knows. */
export function usePresenceText(presence: Presence | null): string | null {
  const { t } = useTranslation();
  const lang = useLang();
  const lastSeen = presence?.is_online ? null : presence?.last_seen_at;
  const now = useNow(lastSeen ? 30_000 : null);
  if (!presence) return null;
  if (presence.is_online) return t("presence.online");
  if (!lastSeen) return t("presence.offline");
  if (secondsSince(lastSeen, now) < 60) return t("presence.just_left");
  // Within a sentence: "Hôm qua" is how a line begins.
  return t("presence.last_seen", { ago: ago(lastSeen, lang, now).toLocaleLowerCase(lang) });
}

/** A face, with a mark on it while they are there. Whoever does not see it is told `says`, unless it stands beside the face anyway. */
export function WithPresence({
  presence,
  isSaid = false,
  children,
}: {
  presence: Presence | null;
  isSaid?: boolean;
  children: ReactNode;
}) {
  const { t } = useTranslation();
  return (
    <span
      className="relative inline-grid shrink-0"
      data-testid="presence"
      data-online={presence ? presence.is_online : "unknown"}
    >
      {children}
      {presence?.is_online && (
        <>
          <span
            aria-hidden="true"
            className="absolute right-[-1px] bottom-[-1px] size-3 rounded-full bg-good ring-2 ring-surface"
          />
          {!isSaid && <span className="sr-only">{t("presence.online")}</span>}
        </>
      )}
    </span>
  );
}
