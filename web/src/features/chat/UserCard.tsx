// Who said a line: a card beside their name.
import { Popover } from "@base-ui/react/popover";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Flag, Gavel } from "lucide-react";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { channel as channelQuery } from "@/api/queries";
import { useSession } from "@/api/session";
import type { ChatMessage } from "@/api/types";
import { FollowButton } from "@/features/channel/FollowButton";
import { useLang } from "@/i18n/useLang";
import { compact, day } from "@/lib/time";
import { Avatar } from "@/ui/avatar";
import { ErrorState, LiveBadge, Skeleton } from "@/ui/bits";
import { buttonClass, IconButton } from "@/ui/button";

export function UserCard({
  user,
  anchor,
  isElsewhere = false,
  onModerate,
  onReport,
  onClose,
}: {
  user: ChatMessage["user"];
  anchor: HTMLElement;
  /** Links open beside this window, which is for the chat only. */
  isElsewhere?: boolean;
  onModerate?: () => void;
  onReport?: () => void;
  onClose: () => void;
}) {
  const { t } = useTranslation();
  const lang = useLang();
  const me = useSession((session) => session.user);
  const [isOpen, setOpen] = useState(true);
  const query = useQuery(channelQuery(user.username));
  const about = query.data;
  return (
    <Popover.Root open={isOpen} onOpenChange={setOpen} onOpenChangeComplete={(open) => !open && onClose()}>
      {/* The popup stays inside the page's landmark; out of a dialog it opens over that. */}
      <Popover.Portal container={anchor.closest<HTMLElement>("section") ?? undefined}>
        <Popover.Positioner
          anchor={anchor}
          positionMethod="fixed"
          side="bottom"
          align="start"
          sideOffset={4}
          className="z-[70]"
        >
          <Popover.Popup
            className="popup flex w-72 max-w-[calc(100vw-24px)] flex-col gap-3 p-4 text-[15px]"
            data-testid="user-card"
            data-username={user.username}
            finalFocus={() => (anchor.isConnected ? anchor : true)}
          >
            <div className="flex items-center gap-3">
              <Avatar
                name={user.display_name}
                username={user.username}
                url={about?.avatar_url ?? null}
                size={44}
                isLive={Boolean(about?.live)}
              />
              <div className="min-w-0 flex-1">
                <Popover.Title className="truncate font-bold">{user.display_name}</Popover.Title>
                <p className="truncate text-faint text-sm">
                  {t("channel.handle", { username: user.username })}
                </p>
              </div>
              {about?.live && <LiveBadge />}
            </div>
            {query.isPending && <Skeleton className="h-16" />}
            {query.isError && !about && (
              <ErrorState error={query.error} onRetry={() => void query.refetch()} />
            )}
            {about && (
              <>
                <p className="text-soft text-sm">
                  {t("chat.card_since", { day: day(about.created_at, lang) })}
                  {" · "}
                  {t("channel.followers", {
                    count: about.followers_count,
                    shown: compact(about.followers_count, lang),
                  })}
                </p>
                {about.bio && <p className="line-clamp-3 text-sm [overflow-wrap:anywhere]">{about.bio}</p>}
                <div className="flex flex-wrap items-center gap-2">
                  <Link
                    to="/c/$username"
                    params={{ username: user.username }}
                    target={isElsewhere ? "_blank" : undefined}
                    className={buttonClass()}
                    data-testid="user-card-channel"
                  >
                    {t("chat.card_channel")}
                  </Link>
                  {me && me.username !== user.username && <FollowButton channel={about} />}
                  {onReport && (
                    <IconButton
                      look="ghost"
                      size="icon"
                      onClick={onReport}
                      label={t("report.named", { name: user.display_name })}
                      data-testid="user-card-report"
                    >
                      <Flag />
                    </IconButton>
                  )}
                  {onModerate && (
                    <IconButton
                      look="ghost"
                      size="icon"
                      onClick={onModerate}
                      label={t("mod.act_on", { name: user.display_name })}
                      data-testid="user-card-moderate"
                    >
                      <Gavel />
                    </IconButton>
                  )}
                </div>
              </>
            )}
          </Popover.Popup>
        </Popover.Positioner>
      </Popover.Portal>
    </Popover.Root>
  );
}
