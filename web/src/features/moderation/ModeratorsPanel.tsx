import { useQuery } from "@tanstack/react-query";
import { UserPlus, X } from "lucide-react";
import { type FormEvent, useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { useLang } from "@/i18n/useLang";
import { cx } from "@/lib/cx";
import { day } from "@/lib/time";
import { Avatar } from "@/ui/avatar";
import { ErrorState, Skeleton } from "@/ui/bits";
import { Button } from "@/ui/button";
import { ConfirmDialog } from "@/ui/dialog";
import { inputClass } from "@/ui/field";
import { moderators, useAppoint } from "./queries";

/** Who keeps order here. The channel's owner appoints and dismisses. */
export function ModeratorsPanel({ channel, isOwner }: { channel: string; isOwner: boolean }) {
  const { t } = useTranslation();
  const lang = useLang();
  const id = useId();
  const query = useQuery(moderators(channel));
  const appoint = useAppoint(channel);
  const [name, setName] = useState("");
  const [leaving, setLeaving] = useState<{ username: string; display_name: string } | null>(null);
  const add = (event: FormEvent) => {
    event.preventDefault();
    const member = name.trim().replace(/^@/, "").toLowerCase();
    if (member) appoint.mutate({ member, isOn: true }, { onSuccess: () => setName("") });
  };
  return (
    <>
      {isOwner && (
        <form onSubmit={add} className="mb-3 flex gap-2">
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
            data-testid="moderator-name"
          />
          <Button
            type="submit"
            size="s"
            className="h-9"
            disabled={!name.trim()}
            isBusy={appoint.isPending}
            data-testid="moderator-add"
          >
            <UserPlus />
            {t("mod.moderators.add")}
          </Button>
        </form>
      )}
      {query.isPending && <Skeleton className="h-20" />}
      {query.isError && !query.data && (
        <ErrorState error={query.error} onRetry={() => void query.refetch()} />
      )}
      {query.data?.items.length === 0 && (
        <p className="text-faint text-sm">
          {isOwner ? t("mod.moderators.empty_owner") : t("mod.moderators.empty")}
        </p>
      )}
      <ul className="flex flex-col gap-2" aria-label={t("mod.moderators.title")}>
        {query.data?.items.map(({ user, appointed_at }) => (
          <li
            key={user.username}
            className="flex items-center gap-2.5 text-sm"
            data-testid="moderator"
            data-username={user.username}
          >
            <Avatar name={user.display_name} username={user.username} url={user.avatar_url} size={28} />
            <div className="min-w-0 flex-1">
              <p className="truncate font-semibold">{user.display_name}</p>
              <p className="text-faint text-xs">
                {t("mod.moderators.since", { day: day(appointed_at, lang) })}
              </p>
            </div>
            {isOwner && (
              <Button
                look="ghost"
                size="icon-s"
                onClick={() => setLeaving(user)}
                aria-label={t("mod.moderators.remove", { name: user.display_name })}
                data-testid="moderator-remove"
              >
                <X />
              </Button>
            )}
          </li>
        ))}
      </ul>
      <ConfirmDialog
        isOpen={leaving !== null}
        onClose={() => setLeaving(null)}
        onConfirm={() => {
          if (leaving) appoint.mutate({ member: leaving.username, isOn: false });
          setLeaving(null);
        }}
        title={t("mod.moderators.remove", { name: leaving?.display_name ?? "" })}
        description={t("mod.moderators.remove_text")}
        confirmLabel={t("mod.moderators.remove_confirm")}
        testId="moderator-remove-confirm"
      />
    </>
  );
}
