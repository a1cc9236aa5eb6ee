import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { ArrowDown } from "lucide-react";
import { useTranslation } from "react-i18next";
import type { Room, RoomMessage } from "@/api/types";
import { errorText } from "@/i18n/errorText";
import { ask, useLine } from "@/realtime/socket";
import { ErrorState } from "@/ui/bits";
import { buttonClass } from "@/ui/button";
import { toast } from "@/ui/toast";
import { Said } from "./Said";
import { merged, without } from "./talk";

const AROUND = 50;
/** Before every message. */
const NIL = "00000000-0000-0000-0000-000000000000";

type Around = { items: RoomMessage[]; hasOlder: boolean };

/** What was said around one message, further back than what is loaded; to be read, not written to. */
export function Past({ room, me, at }: { room: Room; me: string; at: string }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const isUp = useLine((line) => line.state === "up");
  const key = ["room-past", room.id, at] as const;
  const around = useQuery({
    queryKey: key,
    queryFn: async (): Promise<Around> => {
      const before = await ask("room:history", { room_id: room.id, before: at, limit: AROUND });
      const last = before.items.at(-1)?.id ?? NIL;
      const after = await ask("room:history", { room_id: room.id, after: last, limit: AROUND });
      return { items: merged(before.items, after.items), hasOlder: before.items.length === AROUND };
    },
    enabled: isUp,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  });
  const change = (next: (old: Around) => Around) =>
    client.setQueryData(key, (old: Around | undefined) => (old ? next(old) : old));
  const refuse = (error: unknown) => {
    toast({ kind: "error", title: errorText(t, error) });
  };
  const items = around.data?.items ?? [];
  const older = async () => {
    const first = items[0];
    if (!first) return;
    const page = await ask("room:history", { room_id: room.id, before: first.id, limit: AROUND });
    change((old) => ({ items: merged(page.items, old.items), hasOlder: page.items.length === AROUND }));
  };
  const isGone = around.data !== undefined && !items.some((item) => item.id === at);
  if (around.isError && !around.data)
    return (
      <div className="flex-1 p-5">
        <ErrorState error={around.error} onRetry={() => void around.refetch()} />
      </div>
    );
  return (
    <>
      <Said
        items={items}
        me={me}
        isLoading={around.data === undefined}
        hasOlder={around.data?.hasOlder ?? false}
        keepsOrder={room.role !== "member"}
        isGroup={room.kind === "group"}
        mayWrite={false}
        waiting=""
        sought={at}
        onOlder={() => older().catch(refuse)}
        onAnswer={() => undefined}
        onEdit={() => undefined}
        onRemove={(id) =>
          void ask("room:delete", { id })
            .then(() => change((old) => ({ ...old, items: without(old.items, [id]) })))
            .catch(refuse)
        }
        onReact={() => undefined}
      >
        {[]}
      </Said>
      <div className="flex shrink-0 flex-wrap items-center justify-between gap-3 border-line border-t bg-surface px-5 py-3">
        <p role="status" className="text-soft text-sm">
          {t(isGone ? "rooms.past_gone" : "rooms.past")}
        </p>
        <Link
          to="/messages/$room"
          params={{ room: room.id }}
          className={buttonClass("soft", "s")}
          data-testid="to-latest"
        >
          <ArrowDown />
          {t("rooms.past_back")}
        </Link>
      </div>
    </>
  );
}
