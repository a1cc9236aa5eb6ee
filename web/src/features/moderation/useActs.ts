// Acts in a channel's chat, each with ten seconds to take it back.
import { useQueryClient } from "@tanstack/react-query";
import { useCallback } from "react";
import { useTranslation } from "react-i18next";
import { create } from "zustand";
import { ApiError } from "@/api/errors";
import { useSession } from "@/api/session";
import type { ModAct, ModDeed } from "@/api/types";
import { errorText } from "@/i18n/errorText";
import { useLang } from "@/i18n/useLang";
import { serverTime } from "@/lib/serverClock";
import { ask } from "@/realtime/socket";
import { toast } from "@/ui/toast";
import { fasterOne, type LogPages } from "./acts";
import { logKey } from "./keys";
import { describe } from "./words";

/** The last act of this tab that may still be taken back. */
type LastAct = { channel: string; actId: string; until: number; close: () => void };
export const useLastAct = create<{ last: LastAct | null }>(() => ({ last: null }));

export function useActs(channel: string) {
  const { t } = useTranslation();
  const lang = useLang();
  const client = useQueryClient();

  const undo = useCallback(
    async (actId: string) => {
      const { last } = useLastAct.getState();
      if (last?.actId === actId) {
        last.close();
        useLastAct.setState({ last: null });
      }
      try {
        await ask("mod:undo", { username: channel, act_id: actId });
        toast({ kind: "good", title: t("mod.undone") });
      } catch (error) {
        toast({ kind: "error", title: errorText(t, error) });
      }
    },
    [channel, t],
  );

  /** Tells what was done, and lets it be taken back where that can be. */
  const offer = useCallback(
    (done: ModAct) => {
      const { act_id: actId, undo_until } = done;
      const title = describe(t, lang, done);
      if (!undo_until) {
        toast({ kind: "good", title });
        return;
      }
      const until = Date.parse(undo_until);
      const close = toast({
        title,
        text: done.reason || undefined,
        action: { label: t("mod.undo"), onClick: () => void undo(actId), testId: "mod-undo" },
        forMs: Math.min(Math.max(until - serverTime(Date.now()), 2_000), 10_000),
      });
      useLastAct.setState({ last: { channel, actId, until, close } });
    },
    [channel, t, lang, undo],
  );

  /** Whether it was done; why not is told. */
  const act = useCallback(
    async (deed: ModDeed, reason = ""): Promise<boolean> => {
      try {
        const body = { username: channel, ...deed, ...(reason ? { reason } : {}) };
        const done = await ask("mod:act", body);
        if (done.act) offer(done.act);
        return true;
      } catch (error) {
        toast({ kind: "error", title: refusal(error, deed) });
        return false;
      }

      function refusal(error: unknown, wanted: ModDeed): string {
        if (ApiError.of(error).code !== "mod.already") return errorText(t, error);
        const known = client.getQueriesData<LogPages>({ queryKey: logKey(channel) });
        const acts = known.flatMap(([, log]) => log?.pages.flatMap((page) => page.items) ?? []);
        const by = fasterOne(acts, wanted, useSession.getState().user?.username ?? "");
        return by ? t("mod.already_by", { name: by }) : errorText(t, error);
      }
    },
    [channel, t, client, offer],
  );
  return { act, undo, offer };
}
