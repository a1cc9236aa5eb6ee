// Below the reason of a ban: asking the moderators to be let in again, and what they said to it.
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, unwrap } from "@/api/client";
import { useSession } from "@/api/session";
import { errorText } from "@/i18n/errorText";
import { useLang } from "@/i18n/useLang";
import { serverTime } from "@/lib/serverClock";
import { day } from "@/lib/time";
import { Skeleton } from "@/ui/bits";
import { Button } from "@/ui/button";
import { TextArea } from "@/ui/field";
import { plea } from "./pleaQuery";

const CHARS_MAX = 500;

export function Plea({ channel }: { channel: string }) {
  const { t } = useTranslation();
  const lang = useLang();
  const me = useSession((session) => session.user?.id ?? "");
  const client = useQueryClient();
  const query = useQuery(plea(channel, me));
  const [isAsking, setAsking] = useState(false);
  const [text, setText] = useState("");
  const ask = useMutation({
    mutationFn: (words: string): Promise<unknown> =>
      unwrap(
        api.POST("/api/v1/channels/{username}/unban-request", {
          params: { path: { username: channel } },
          body: { text: words },
        }),
      ),
    onSuccess: () => setAsking(false),
    onSettled: () => client.invalidateQueries({ queryKey: plea(channel, me).queryKey }),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const words = text.trim();
    if (words && !ask.isPending) ask.mutate(words);
  };
  if (query.isPending) return <Skeleton className="h-8" />;
  // The reason stands above; what is asked for is asked for again at the next visit.
  if (!query.data?.ban) return null;
  const { request, may_ask_at: from } = query.data;
  const mayAsk = Boolean(from && Date.parse(from) <= serverTime(Date.now()));
  return (
    <div className="mb-2 text-sm" data-testid="plea" data-state={request?.state ?? "none"}>
      <p role="status" className="text-soft [overflow-wrap:anywhere] empty:hidden">
        {request?.state === "open" && t("chat.plea.waits")}
        {request?.state === "denied" && t("chat.plea.denied")}
        {request?.state === "denied" && request.answer && ` ${request.answer}`}
        {request?.state === "denied" &&
          from &&
          !mayAsk &&
          ` ${t("chat.plea.again", { day: day(from, lang) })}`}
      </p>
      {mayAsk && !isAsking && (
        <Button size="s" onClick={() => setAsking(true)} data-testid="plea-open">
          {t("chat.plea.ask")}
        </Button>
      )}
      {mayAsk && isAsking && (
        <form onSubmit={submit} className="mt-1 flex flex-col gap-2">
          <TextArea
            label={t("chat.plea.text")}
            value={text}
            onChange={(event) => setText(event.target.value)}
            maxLength={CHARS_MAX}
            autoFocus
            error={ask.isError ? errorText(t, ask.error) : null}
            className="min-h-16!"
            data-testid="plea-text"
          />
          <div className="flex justify-end gap-2">
            <Button size="s" look="ghost" onClick={() => setAsking(false)}>
              {t("actions.cancel")}
            </Button>
            <Button
              type="submit"
              size="s"
              look="solid"
              disabled={!text.trim()}
              isBusy={ask.isPending}
              data-testid="plea-send"
            >
              {t("chat.plea.send")}
            </Button>
          </div>
        </form>
      )}
    </div>
  );
}
