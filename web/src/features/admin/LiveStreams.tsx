import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { CircleStop, Radio } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { useFreshThumb, Viewers } from "@/features/cards/cards";
import { Thumb } from "@/features/cards/Thumb";
import { VisibilityBadge } from "@/features/visibility/VisibilityBadge";
import { useLang } from "@/i18n/useLang";
import { ago, whole } from "@/lib/time";
import { Empty, ErrorState, SectionHead, Skeleton, Tag } from "@/ui/bits";
import { Button } from "@/ui/button";
import { type AdminStream, adminStreams, cutStream } from "./console";
import { Reason } from "./Reason";

/** Everything on air, whoever it is for, and the end of it. */
export function LiveStreams() {
  const { t } = useTranslation();
  const lang = useLang();
  const query = useQuery(adminStreams());
  const [asked, setAsked] = useState<AdminStream | null>(null);
  return (
    <section data-testid="live-streams">
      <SectionHead
        title={t("admin.overview.live")}
        action={
          query.data && (
            <p className="tabular text-soft text-sm">
              {t("admin.overview.live_sum", { count: query.data.items.length })}
              {` · ${t("admin.overview.viewers", { count: query.data.viewers, shown: whole(query.data.viewers, lang) })}`}
            </p>
          )
        }
      />
      {query.isPending && <Skeleton className="h-32" />}
      {query.isError && !query.data && (
        <ErrorState error={query.error} onRetry={() => void query.refetch()} />
      )}
      {query.data?.items.length === 0 && (
        <Empty title={t("admin.overview.nothing_live")}>
          <Radio className="size-6 text-faint" aria-hidden="true" />
        </Empty>
      )}
      <ul className="flex flex-col gap-2" aria-label={t("admin.overview.live")}>
        {query.data?.items.map((one) => (
          <Row key={one.stream.id} one={one} onCut={() => setAsked(one)} />
        ))}
      </ul>
      {asked && <Cut key={asked.stream.id} one={asked} onClose={() => setAsked(null)} />}
    </section>
  );
}

function Row({ one, onCut }: { one: AdminStream; onCut: () => void }) {
  const { t } = useTranslation();
  const lang = useLang();
  const { stream } = one;
  const thumb = useFreshThumb(stream.thumbnail_url);
  const name = stream.channel.display_name;
  return (
    <li
      className="flex flex-wrap items-center gap-x-4 gap-y-3 rounded-md border border-line bg-surface p-3"
      data-testid="live-stream"
      data-username={stream.channel.username}
    >
      <div className="relative aspect-video w-36 shrink-0 overflow-hidden rounded-sm bg-sunken">
        <Thumb url={thumb} seed={stream.channel.username} />
      </div>
      <div className="min-w-0 flex-1 basis-52 text-sm">
        <p className="flex flex-wrap items-center gap-2">
          <Link
            to="/c/$username"
            params={{ username: stream.channel.username }}
            className="font-semibold [overflow-wrap:anywhere] hover:underline"
          >
            {stream.title || name}
          </Link>
          {stream.status === "reconnecting" && <Tag>{t("live.reconnecting")}</Tag>}
          {one.is_cut && <Tag>{t("admin.overview.being_cut")}</Tag>}
          <VisibilityBadge visibility={stream.visibility} />
        </p>
        <p className="text-soft">
          {name}
          {` · ${ago(stream.started_at, lang)}`}
        </p>
        <p className="tabular flex flex-wrap items-center gap-x-3 text-soft [&_svg]:size-4">
          <span className="inline-flex items-center gap-1">
            <Viewers count={stream.viewers} />
          </span>
          <span data-testid="bitrate">
            {one.kbps == null
              ? t("admin.overview.no_bitrate")
              : t("admin.overview.bitrate", { kbps: whole(one.kbps, lang), fps: Math.round(one.fps ?? 0) })}
          </span>
        </p>
      </div>
      {one.may_cut && (
        <Button
          size="s"
          look="danger"
          onClick={onCut}
          aria-label={t("admin.overview.cut_named", { name })}
          data-testid="cut"
        >
          <CircleStop />
          {t("admin.overview.cut")}
        </Button>
      )}
    </li>
  );
}

function Cut({ one, onClose }: { one: AdminStream; onClose: () => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const [isBlocking, setBlocking] = useState(false);
  const name = one.stream.channel.display_name;
  return (
    <Reason
      title={t("admin.overview.cut_named", { name })}
      text={t("admin.overview.cut_text")}
      hint={t("admin.members.reason_hint")}
      confirm={t("admin.overview.cut")}
      done={t("admin.overview.did_cut", { name })}
      act={(reason) => cutStream(one.stream.id, reason, isBlocking)}
      onSettled={() => client.invalidateQueries({ queryKey: ["admin", "streams"] })}
      onClose={onClose}
    >
      <label className="flex min-h-8 items-start gap-2.5 text-sm">
        <input
          type="checkbox"
          checked={isBlocking}
          onChange={(event) => setBlocking(event.target.checked)}
          className="mt-0.5 size-4 accent-[var(--melt)]"
          data-testid="block-key"
        />
        <span>
          {t("admin.overview.block_key")}
          <span className="block text-soft">{t("admin.overview.block_key_hint")}</span>
        </span>
      </label>
    </Reason>
  );
}
