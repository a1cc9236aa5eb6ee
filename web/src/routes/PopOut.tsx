// A channel's chat alone: a window beside the player, a dock in the encoder, or lines over its picture.
import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { ApiError } from "@/api/errors";
import { channel as channelQuery } from "@/api/queries";
import { Chat } from "@/features/chat/Chat";
import { Overlay } from "@/features/chat/Overlay";
import { useChat } from "@/features/chat/useChat";
import { Problem } from "@/routes/problems";
import { ConnectionBanner } from "@/shell/ConnectionBanner";
import { usePage } from "@/shell/usePage";

const route = getRouteApi("/popout/$username/chat");

export function PopOut() {
  const { username } = route.useParams();
  return <Alone key={username.toLowerCase()} username={username.toLowerCase()} />;
}

function Alone({ username }: { username: string }) {
  const { t } = useTranslation();
  const { transparent = false, font, stream } = route.useSearch();
  const query = useQuery(channelQuery(username));
  const room = useChat(username, stream);
  const heading = t("chat.of", { name: query.data?.display_name ?? username });
  usePage(heading);
  const isGone = query.isError && !query.data && !ApiError.of(query.error).isNetwork;
  if (transparent) {
    return (
      <main>
        <h1 className="sr-only">{heading}</h1>
        <Overlay room={room} fontPx={font} />
      </main>
    );
  }
  return (
    <>
      <ConnectionBanner />
      <main className="h-dvh">
        {isGone ? (
          <Problem error={query.error} onRetry={() => void query.refetch()} />
        ) : (
          <Chat room={room} username={username} className="h-full" window={{ heading, fontPx: font }} />
        )}
      </main>
    </>
  );
}
