import { getRouteApi } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import type { User } from "@/api/types";
import { useChat } from "@/features/chat/useChat";
import { Desk } from "@/features/moderation/Desk";
import { useDesk } from "@/features/moderation/useDesk";
import { useLayoutReady } from "@/features/moderation/useLayout";
import { PageHead } from "@/shell/PageHead";
import { Skeleton } from "@/ui/bits";
import { Forbidden, NotFound } from "./problems";
import { RequireUser } from "./RequireUser";

const route = getRouteApi("/shell/mod/$username");

export function ModPage() {
  const channel = route.useParams().username.toLowerCase();
  return <RequireUser>{(user) => <Room key={channel} channel={channel} me={user} />}</RequireUser>;
}

function Room({ channel, me }: { channel: string; me: User }) {
  const { t } = useTranslation();
  const room = useChat(channel);
  const { seat, wasTaken } = useDesk(channel);
  const isLayoutReady = useLayoutReady(me.id);
  if (seat === "missing") return <NotFound />;
  if (seat === "forbidden") return <Forbidden />;
  // Once it was open it stays so while the line is down.
  if (isLayoutReady && (seat === "taken" || wasTaken))
    return <Desk channel={channel} me={me} room={room} seat={seat} />;
  return (
    <div className="grid gap-4 p-4 lg:grid-cols-3" aria-busy="true">
      <PageHead title={t("mod.title", { name: channel })} isHidden />
      <Skeleton className="h-[60dvh]" />
      <Skeleton className="h-[60dvh] max-lg:hidden" />
      <Skeleton className="h-[60dvh] max-lg:hidden" />
    </div>
  );
}
