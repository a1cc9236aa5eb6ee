import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Gavel, X } from "lucide-react";
import { type FormEvent, type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { once, retryAttempt } from "@/api/attempts";
import { api, unwrap } from "@/api/client";
import { useSession } from "@/api/session";
import type { ModAct } from "@/api/types";
import { errorText } from "@/i18n/errorText";
import { useLang } from "@/i18n/useLang";
import { ago, day, timeOfDay, whole } from "@/lib/time";
import { Avatar } from "@/ui/avatar";
import { ErrorState, Skeleton } from "@/ui/bits";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { TextField } from "@/ui/field";
import { toast } from "@/ui/toast";
import { ActDialog } from "./ActDialog";
import { takenBack } from "./acts";
import { Entry } from "./LogPanel";
import { card } from "./queries";
import { useActs } from "./useActs";

const NOTE_CHARS_MAX = 500;

/** A member as this channel's moderators know them: since when, what they said, what was done, what was noted. */
export function Card({
  channel,
  member,
  name,
  onClose,
}: {
  channel: string;
  member: string;
  name: string;
  onClose: () => void;
}) {
  const { t } = useTranslation();
  const query = useQuery(card(channel, member));
  return (
    <Dialog isOpen onClose={onClose} title={name}>
      <div data-testid="mod-card" data-username={member} className="-mt-2 flex flex-col gap-5">
        {query.isPending && <Skeleton className="h-48" />}
        {query.isError && !query.data && (
          <ErrorState error={query.error} onRetry={() => void query.refetch()} />
        )}
        {query.data && <Known channel={channel} member={member} about={query.data} />}
        <p className="sr-only" role="status">
          {query.data ? t("mod.card.loaded") : ""}
        </p>
      </div>
    </Dialog>
  );
}

type About = NonNullable<ReturnType<typeof useCard>["data"]>;
const useCard = (channel: string, member: string) => useQuery(card(channel, member));

function Known({ channel, member, about }: { channel: string; member: string; about: About }) {
  const { t } = useTranslation();
  const lang = useLang();
  const me = useSession((session) => session.user?.username ?? "");
  const { act, undo } = useActs(channel);
  const [isActing, setActing] = useState(false);
  const { user, standing } = about;
  const history = about.sanctions as unknown as ModAct[];
  const gone = takenBack(history);
  return (
    <>
      <div className="flex items-center gap-3">
        <Avatar name={user.display_name} username={user.username} url={user.avatar_url} size={44} />
        <div className="min-w-0 flex-1 text-sm">
          <Link
            to="/c/$username"
            params={{ username: user.username }}
            className="text-melt underline-offset-4 hover:underline"
          >
            {t("channel.handle", { username: user.username })}
          </Link>
          <p className="text-soft">{t("mod.card.member_since", { day: day(about.created_at, lang) })}</p>
          <p className="text-soft">
            {about.follows_since
              ? t("mod.card.follows", { ago: ago(about.follows_since, lang) })
              : t("mod.card.follows_not")}
            {typeof about.messages === "number" &&
              ` · ${t("mod.card.messages", { count: about.messages, shown: whole(about.messages, lang) })}`}
          </p>
        </div>
        {standing.sanction ? (
          <Button size="s" onClick={() => void act({ action: "unban", member })} data-testid="card-unban">
            {t("mod.unban")}
          </Button>
        ) : (
          <Button size="s" onClick={() => setActing(true)} data-testid="card-act">
            <Gavel />
            {t("mod.act")}
          </Button>
        )}
      </div>
      {standing.sanction && (
        <p className="-mt-2 text-danger text-sm">
          {standing.sanction.until
            ? t("mod.card.silenced", { time: timeOfDay(standing.sanction.until, lang) })
            : t("mod.sanctions.banned")}
          {standing.sanction.reason && ` · ${standing.sanction.reason}`}
        </p>
      )}
      <Notes channel={channel} member={member} about={about} />
      <Part title={t("mod.card.history")} isEmpty={history.length === 0}>
        <ol className="flex flex-col gap-2">
          {history.map((one) => (
            <Entry
              key={one.act_id}
              act={one}
              isGone={gone.has(one.act_id)}
              me={me}
              onUndo={() => void undo(one.act_id)}
            />
          ))}
        </ol>
      </Part>
      <Part title={t("mod.card.recent")} isEmpty={about.recent.length === 0}>
        <ol className="flex flex-col gap-1 text-sm [overflow-wrap:anywhere]">
          {about.recent.map((line) => (
            <li key={line.id}>
              <time dateTime={line.sent_at} className="tabular mr-2 text-faint text-xs">
                {timeOfDay(line.sent_at, lang)}
              </time>
              <span className={line.is_deleted ? "text-faint line-through" : undefined}>{line.text}</span>
            </li>
          ))}
        </ol>
      </Part>
      {isActing && (
        <ActDialog
          channel={channel}
          member={member}
          name={user.display_name}
          first="timeout"
          onClose={() => setActing(false)}
        />
      )}
    </>
  );
}

function Part({ title, isEmpty, children }: { title: string; isEmpty: boolean; children: ReactNode }) {
  const { t } = useTranslation();
  return (
    <section>
      <h3 className="mb-2 font-bold text-sm">{title}</h3>
      {isEmpty ? <p className="text-faint text-sm">{t("mod.card.nothing")}</p> : children}
    </section>
  );
}

/** What moderators write down for each other. The member never sees it. */
function Notes({ channel, member, about }: { channel: string; member: string; about: About }) {
  const { t } = useTranslation();
  const lang = useLang();
  const client = useQueryClient();
  const [text, setText] = useState("");
  const settled = {
    onError: (error: unknown) => void toast({ kind: "error", title: errorText(t, error) }),
    onSettled: () => client.invalidateQueries({ queryKey: card(channel, member).queryKey }),
  };
  const path = { username: channel, member };
  const add = useMutation({
    mutationFn: (note: string): Promise<unknown> =>
      once(["note", path, note], (header) =>
        unwrap(
          api.POST("/api/v1/channels/{username}/chatters/{member}/notes", {
            params: { path, header },
            body: { text: note },
          }),
        ),
      ),
    retry: retryAttempt,
    ...settled,
  });
  const remove = useMutation({
    mutationFn: (id: string): Promise<unknown> =>
      unwrap(
        api.DELETE("/api/v1/channels/{username}/chatters/{member}/notes/{id}", {
          params: { path: { ...path, id } },
        }),
      ),
    ...settled,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const note = text.trim();
    if (note && !add.isPending) add.mutate(note, { onSuccess: () => setText("") });
  };
  return (
    <section>
      <h3 className="mb-2 font-bold text-sm">{t("mod.card.notes")}</h3>
      <ul className="mb-3 flex flex-col gap-2 text-sm empty:hidden">
        {about.notes.map((note) => (
          <li key={note.id} className="flex items-start gap-2" data-testid="note">
            <div className="min-w-0 flex-1 [overflow-wrap:anywhere]">
              <p>{note.text}</p>
              <p className="text-faint text-xs">
                {note.by} · {ago(note.at, lang)}
              </p>
            </div>
            <Button
              look="ghost"
              size="icon-s"
              onClick={() => remove.mutate(note.id)}
              disabled={remove.isPending}
              aria-label={t("mod.card.note_remove", { text: note.text })}
              data-testid="note-remove"
            >
              <X />
            </Button>
          </li>
        ))}
      </ul>
      <form onSubmit={submit} className="flex items-end gap-2 [&>div]:flex-1">
        <TextField
          label={t("mod.card.note")}
          hint={t("mod.card.note_hint")}
          value={text}
          onChange={(event) => setText(event.target.value)}
          maxLength={NOTE_CHARS_MAX}
          autoComplete="off"
          data-testid="note-text"
        />
        <Button
          type="submit"
          className="mb-6.5 h-11"
          disabled={!text.trim()}
          isBusy={add.isPending}
          data-testid="note-add"
        >
          {t("mod.card.note_add")}
        </Button>
      </form>
    </section>
  );
}
