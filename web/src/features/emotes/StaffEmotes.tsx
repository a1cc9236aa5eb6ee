// What a member's channel has for emotes, for the site's staff: one that should not be there is taken away, for a reason.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { errorText } from "@/i18n/errorText";
import { ErrorState, Skeleton } from "@/ui/bits";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { TextField } from "@/ui/field";
import { EmoteImage } from "./EmoteImage";
import { channelEmotes, type Emote, removeEmoteOf } from "./emotes";

const REASON_CHARS_MAX = 500;

export function StaffEmotes({
  username,
  name,
  onClose,
}: {
  username: string;
  name: string;
  onClose: () => void;
}) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const query = useQuery({ ...channelEmotes(username), staleTime: 0 });
  const [chosen, setChosen] = useState<Emote | null>(null);
  const [reason, setReason] = useState("");
  const remove = useMutation({
    mutationFn: ({ id, why }: { id: string; why: string }) => removeEmoteOf(username, id, why),
    onSuccess: () => {
      setChosen(null);
      setReason("");
    },
    onSettled: () => client.invalidateQueries(channelEmotes(username)),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const why = reason.trim();
    if (chosen && why && !remove.isPending) remove.mutate({ id: chosen.id, why });
  };
  return (
    <Dialog isOpen onClose={onClose} title={t("emotes.of", { name })} description={t("emotes.staff_text")}>
      {query.isPending && <Skeleton className="h-24" />}
      {query.isError && !query.data && (
        <ErrorState error={query.error} onRetry={() => void query.refetch()} />
      )}
      {query.data?.items.length === 0 && <p className="text-soft">{t("emotes.none")}</p>}
      <ul className="grid grid-cols-2 gap-2" data-testid="staff-emotes">
        {query.data?.items.map((emote) => (
          <li key={emote.id}>
            <button
              type="button"
              aria-pressed={chosen?.id === emote.id}
              onClick={() => setChosen(emote)}
              data-testid="staff-emote"
              data-name={emote.name}
              className="flex w-full items-center gap-2 rounded-md border border-line p-2 text-left aria-pressed:border-danger aria-pressed:bg-danger-wash"
            >
              <EmoteImage url={emote.url} name={emote.name} isDecoration className="size-8 shrink-0" />
              <span className="min-w-0 truncate font-mono text-sm">:{emote.name}:</span>
            </button>
          </li>
        ))}
      </ul>
      {chosen && (
        <form onSubmit={submit} className="flex flex-col gap-4">
          <TextField
            label={t("mod.reason")}
            hint={t("admin.members.reason_hint")}
            value={reason}
            onChange={(event) => setReason(event.target.value)}
            maxLength={REASON_CHARS_MAX}
            required
            autoComplete="off"
            error={remove.isError ? errorText(t, remove.error) : null}
            data-testid="staff-emote-reason"
          />
          <Button
            type="submit"
            look="danger"
            className="self-end"
            isBusy={remove.isPending}
            disabled={!reason.trim()}
            data-testid="staff-emote-remove"
          >
            {t("emotes.remove_named", { name: chosen.name })}
          </Button>
        </form>
      )}
    </Dialog>
  );
}
