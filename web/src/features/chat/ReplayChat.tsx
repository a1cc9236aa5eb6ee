import { useQuery } from "@tanstack/react-query";
import { MessageSquare, X } from "lucide-react";
import { useEffect, useMemo, useReducer, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { useSession } from "@/api/session";
import { channelEmotes, noEmotes, OwnEmotes } from "@/features/emotes/emotes";
import { errorText } from "@/i18n/errorText";
import { cx } from "@/lib/cx";
import { ask, useLine } from "@/realtime/socket";
import { Button } from "@/ui/button";
import { AsidesOf, useAsides } from "./Asides";
import { Line, type LineActions } from "./Line";
import { need, nothing, replay, saidBy } from "./replay";

const PAGE = 100;
/** So many lines are drawn: more than the list can show at once. */
const SHOWN_MAX = 150;
/** How far the end of a recording that still grows is believed. */
const GROWING_MS = 10_000;
const RETRY_MS = 3_000;

/** What was said while it was recorded, as far as it is played. */
export function ReplayChat({
  vodId,
  channel,
  at,
  isGrowing,
  className,
}: {
  vodId: string;
  /** Whose recording it is. */
  channel: string;
  /** Milliseconds from the recording's beginning. */
  at: number;
  isGrowing: boolean;
  className?: string;
}) {
  const { t } = useTranslation();
  const [isOpen, setOpen] = useState(true);
  const [state, dispatch] = useReducer(replay, nothing);
  const [error, setError] = useState<unknown>(null);
  const [isResting, setResting] = useState(false);
  const line = useLine((now) => now.state);
  const isBusy = useRef(false);
  const wanted = isOpen && line === "up" && !isResting ? need(state, at) : null;

  useEffect(() => {
    if (!isResting) return;
    // By the clock: a paused player does not move on.
    const timer = setTimeout(() => setResting(false), RETRY_MS);
    return () => clearTimeout(timer);
  }, [isResting]);

  useEffect(() => {
    if (!wanted || isBusy.current) return;
    isBusy.current = true;
    const load = async () => {
      try {
        const page = (cursor: object) =>
          ask("chat:history", { vod_id: vodId, limit: PAGE, ...cursor }).then((answer) => answer.items);
        const end = isGrowing ? at + GROWING_MS : Number.POSITIVE_INFINITY;
        const last = state.lines.at(-1);
        if (wanted === "more" && last) {
          dispatch({ type: "went-on", items: await page({ after: last.id }), pageSize: PAGE, end });
        } else {
          const place = Math.max(0, Math.floor(at));
          const [before, after] = await Promise.all([page({ before: place }), page({ after: place })]);
          dispatch({ type: "sought", at: place, before, after, pageSize: PAGE, end });
        }
        setError(null);
      } catch (failed) {
        // What was asked over a line that is being exchanged, as after signing in, is asked again over the next.
        if (useLine.getState().state === "up") setError(failed);
        setResting(true);
      } finally {
        isBusy.current = false;
      }
    };
    void load();
  }, [wanted, at, vodId, isGrowing, state.lines]);

  const own = useQuery(channelEmotes(channel)).data?.items ?? noEmotes;
  const me = useSession((session) => session.user);
  const asides = useAsides();
  const { onAuthor, onReport } = asides;
  const mayReport = me !== null && line === "up";
  const [mine, others] = useMemo((): [LineActions, LineActions] => {
    const own: LineActions = { onAuthor };
    return [own, mayReport ? { ...own, onReport } : own];
  }, [mayReport, onAuthor, onReport]);

  const said = saidBy(state.lines, at);
  const shown = state.lines.slice(Math.max(0, said - SHOWN_MAX), said);
  const newest = shown.at(-1)?.id;
  const list = useRef<HTMLDivElement>(null);
  const isAtEnd = useRef(true);
  useEffect(() => {
    // A new line, or a place sought: whoever reads the newest goes on doing so.
    if (newest && list.current && isAtEnd.current) list.current.scrollTop = list.current.scrollHeight;
  }, [newest]);

  if (!isOpen) {
    return (
      <Button onClick={() => setOpen(true)} data-testid="replay-open" className="w-full">
        <MessageSquare />
        {t("chat.replay_show")}
      </Button>
    );
  }
  return (
    <OwnEmotes value={own}>
      <section
        aria-label={t("chat.replay")}
        data-testid="replay"
        className={cx(
          "flex min-h-0 flex-col overflow-hidden rounded-lg border border-line bg-surface",
          className,
        )}
      >
        <header className="flex h-12 shrink-0 items-center justify-between border-line border-b pr-2 pl-4">
          <h2 className="font-bold text-[15px]">{t("chat.replay")}</h2>
          <Button
            look="ghost"
            size="icon-s"
            onClick={() => setOpen(false)}
            aria-label={t("chat.hide")}
            data-testid="replay-close"
          >
            <X />
          </Button>
        </header>
        <div
          ref={list}
          onScroll={(event) => {
            const box = event.currentTarget;
            isAtEnd.current = box.scrollHeight - box.scrollTop - box.clientHeight < 64;
          }}
          // biome-ignore lint/a11y/noNoninteractiveTabindex: a list that scrolls must be reachable by keyboard
          tabIndex={0}
          role="log"
          aria-live="off"
          aria-label={t("chat.log")}
          className="min-h-0 flex-1 overflow-y-auto overscroll-contain py-2"
        >
          {error !== null && shown.length === 0 && (
            <p className="px-4 py-3 text-danger text-sm">{errorText(t, error)}</p>
          )}
          {error === null && shown.length === 0 && (
            <p className="px-4 py-3 text-faint text-sm">{t("chat.replay_empty")}</p>
          )}
          {shown.map((message) => (
            <Line
              key={message.id}
              message={message}
              myName={me?.username ?? null}
              actions={message.user.id === me?.id ? mine : others}
            />
          ))}
        </div>
        <AsidesOf asides={asides} channel={channel} mayReport={mayReport} />
      </section>
    </OwnEmotes>
  );
}
