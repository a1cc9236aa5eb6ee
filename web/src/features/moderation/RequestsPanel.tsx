import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { UnbanRequest } from "@/api/types";
import { Verdict } from "@/features/report/Verdict";
import { useLang } from "@/i18n/useLang";
import { cx } from "@/lib/cx";
import { ago } from "@/lib/time";
import { Avatar } from "@/ui/avatar";
import { inputClass } from "@/ui/field";
import { REASON_CHARS_MAX } from "./acts";
import { Listed } from "./Listed";
import { requests, useRequestAnswer } from "./queries";

/** Banned members who ask to be let in again, the oldest first. */
export function RequestsPanel({ channel }: { channel: string }) {
  const { t } = useTranslation();
  const query = useInfiniteQuery(requests(channel));
  const items = query.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Listed query={query} empty={items.length === 0 ? t("mod.requests.empty") : null}>
      <ul className="flex flex-col gap-4" aria-label={t("mod.panel.requests")}>
        {items.map((one) => (
          <Request key={one.id} channel={channel} one={one} />
        ))}
      </ul>
    </Listed>
  );
}

function Request({ channel, one }: { channel: string; one: UnbanRequest }) {
  const { t } = useTranslation();
  const lang = useLang();
  const answer = useRequestAnswer(channel);
  const [note, setNote] = useState("");
  const { user } = one;
  const name = user.display_name;
  const to = (action: "accept" | "deny") => answer.mutate({ id: one.id, action, note: note.trim() });
  return (
    <li
      className="flex gap-2.5 text-sm leading-snug"
      data-testid="unban-request"
      data-username={user.username}
    >
      <Avatar name={name} username={user.username} url={user.avatar_url} size={28} />
      <div className="min-w-0 flex-1 [overflow-wrap:anywhere]">
        <p>
          <span className="mr-2 font-semibold">{name}</span>
          <span className="text-faint text-xs">{ago(one.asked_at, lang)}</span>
        </p>
        <p className="my-0.5">{one.text}</p>
        <p className="text-faint text-xs">
          {one.banned_by
            ? t("mod.requests.banned_by", { name: one.banned_by, ago: ago(one.banned_at, lang) })
            : t("mod.requests.banned", { ago: ago(one.banned_at, lang) })}
          {one.ban_reason && ` · ${one.ban_reason}`}
        </p>
        <div className="mt-2 flex flex-wrap gap-1.5">
          <input
            value={note}
            onChange={(event) => setNote(event.target.value)}
            aria-label={t("mod.requests.note", { name })}
            placeholder={t("mod.requests.note_short")}
            maxLength={REASON_CHARS_MAX}
            autoComplete="off"
            className={cx(inputClass, "h-8! min-w-32 flex-1 px-2.5! text-sm")}
            data-testid="request-note"
          />
          <Verdict
            isBusy={answer.isPending}
            yes={{
              label: t("mod.unban"),
              named: t("mod.requests.accept_named", { name }),
              testId: "request-accept",
              onClick: () => to("accept"),
            }}
            no={{
              label: t("mod.requests.deny"),
              named: t("mod.requests.deny_named", { name }),
              testId: "request-deny",
              onClick: () => to("deny"),
            }}
          />
        </div>
      </div>
    </li>
  );
}
