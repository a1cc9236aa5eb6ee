import { useInfiniteQuery } from "@tanstack/react-query";
import { Gavel } from "lucide-react";
import { type FormEvent, useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { useLang } from "@/i18n/useLang";
import { cx } from "@/lib/cx";
import { serverTime } from "@/lib/serverClock";
import { ago, secondsUntil } from "@/lib/time";
import { useNow } from "@/lib/useNow";
import { Avatar } from "@/ui/avatar";
import { Button } from "@/ui/button";
import { inputClass } from "@/ui/field";
import { ActDialog } from "./ActDialog";
import { Listed } from "./Listed";
import { sanctions } from "./queries";
import { useActs } from "./useActs";
import { span } from "./words";

/** Who may not write now, and pardoning them; acting on somebody by name. */
export function SanctionsPanel({ channel }: { channel: string }) {
  const { t } = useTranslation();
  const lang = useLang();
  const id = useId();
  const query = useInfiniteQuery(sanctions(channel));
  const { act } = useActs(channel);
  const [name, setName] = useState("");
  const [asked, setAsked] = useState<string | null>(null);
  const now = serverTime(useNow(10_000));
  const items = (query.data?.pages.flatMap((page) => page.items) ?? []).filter(
    ({ until }) => !until || Date.parse(until) > now,
  );
  const ask = (event: FormEvent) => {
    event.preventDefault();
    const wanted = name.trim().replace(/^@/, "").toLowerCase();
    if (wanted) setAsked(wanted);
  };
  return (
    <>
      <form onSubmit={ask} className="mb-3 flex gap-2">
        <label htmlFor={id} className="sr-only">
          {t("mod.name")}
        </label>
        <input
          id={id}
          value={name}
          onChange={(event) => setName(event.target.value)}
          placeholder={t("mod.name")}
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          className={cx(inputClass, "h-9! px-2.5! text-sm")}
          data-testid="sanction-name"
        />
        <Button type="submit" size="s" className="h-9" disabled={!name.trim()}>
          <Gavel />
          {t("mod.act")}
        </Button>
      </form>
      {asked && (
        <ActDialog
          channel={channel}
          member={asked}
          name={asked}
          first="ban"
          onClose={() => {
            setAsked(null);
            setName("");
          }}
        />
      )}
      <Listed query={query} empty={items.length === 0 ? t("mod.sanctions.empty") : null}>
        <ul className="flex flex-col gap-2.5" aria-label={t("mod.sanctions.title")}>
          {items.map(({ user, until, reason, by, at, act_id }) => (
            <li
              key={act_id}
              className="flex items-start gap-2.5 text-sm leading-snug"
              data-testid="sanction"
              data-username={user.username}
            >
              <Avatar name={user.display_name} username={user.username} url={user.avatar_url} size={28} />
              <div className="min-w-0 flex-1 [overflow-wrap:anywhere]">
                <p className="font-semibold">{user.display_name}</p>
                <p className="text-soft">
                  {until
                    ? t("mod.sanctions.left", { span: span(left(until, now), lang) })
                    : t("mod.sanctions.banned")}
                  {reason && ` · ${reason}`}
                </p>
                <p className="text-faint text-xs">
                  {by
                    ? t("mod.sanctions.by", { name: by.username, ago: ago(at, lang, now) })
                    : ago(at, lang, now)}
                </p>
              </div>
              <Button
                size="s"
                onClick={() => void act({ action: "unban", member: user.username })}
                aria-label={t("mod.unban_named", { name: user.display_name })}
                data-testid="unban"
              >
                {t("mod.unban")}
              </Button>
            </li>
          ))}
        </ul>
      </Listed>
    </>
  );
}

/** What is left, as exactly as it matters. */
function left(until: string, now: number): number {
  const seconds = secondsUntil(until, now) ?? 1;
  const unit = seconds > 86_400 * 2 ? 86_400 : seconds > 3_600 * 2 ? 3_600 : seconds > 90 ? 60 : 10;
  return Math.ceil(seconds / unit) * unit;
}
