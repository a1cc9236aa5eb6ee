import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Heart } from "lucide-react";
import { useTranslation } from "react-i18next";
import { api, unwrap } from "@/api/client";
import { channel as channelQuery, following, patchChannel } from "@/api/queries";
import { useSession } from "@/api/session";
import type { Channel } from "@/api/types";
import { BellLevel } from "@/features/notifications/BellLevel";
import { errorText } from "@/i18n/errorText";
import { Button } from "@/ui/button";
import { toast } from "@/ui/toast";

/** Follows at once and takes it back if the server refuses. Visitors are led through sign-in and back. */
export function FollowButton({ channel }: { channel: Channel }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const navigate = useNavigate();
  const { status, user } = useSession();
  const { username } = channel;

  const mark = (isFollowing: boolean) =>
    patchChannel(client, username, (old) =>
      old.is_following === isFollowing
        ? old
        : {
            ...old,
            is_following: isFollowing,
            bell: isFollowing ? "all" : null,
            followers_count: Math.max(0, old.followers_count + (isFollowing ? 1 : -1)),
          },
    );
  const follow = useMutation({
    mutationFn: (next: boolean) => {
      const params = { params: { path: { username } } };
      return next
        ? unwrap(api.PUT("/api/v1/channels/{username}/follow", params))
        : unwrap(api.DELETE("/api/v1/channels/{username}/follow", params));
    },
    onMutate: async (next) => {
      await client.cancelQueries(channelQuery(username));
      mark(next);
    },
    onError: (error, next) => {
      mark(!next);
      toast({ kind: "error", title: errorText(t, error) });
    },
    onSettled: () => {
      void client.invalidateQueries({ queryKey: following().queryKey });
      // What is for followers comes and goes with it.
      void client.invalidateQueries(channelQuery(username));
      void client.invalidateQueries({ queryKey: ["vods", "list"] });
    },
  });

  if (user?.username === username) return null;
  const isFollowing = channel.is_following;
  const button = (
    <Button
      look={isFollowing ? "soft" : "solid"}
      data-testid="follow"
      data-following={isFollowing}
      aria-pressed={isFollowing}
      disabled={status === "unknown"}
      onClick={() => {
        if (status !== "signed-in") void navigate({ to: "/signin", search: { next: `/c/${username}` } });
        else if (!follow.isPending) follow.mutate(!isFollowing);
      }}
    >
      <Heart className={isFollowing ? "fill-current text-live-text" : undefined} />
      {isFollowing ? t("channel.following") : t("channel.follow")}
    </Button>
  );
  return isFollowing && channel.bell ? (
    <div className="flex items-center gap-2">
      {button}
      <BellLevel channel={channel} bell={channel.bell} />
    </div>
  ) : (
    button
  );
}
